"""Reads the events that `tensorboard_events` wrote: with TensorBoard's own reader, and through its server as a browser does.

Usage: check_events.py FOLDER
"""

import json
import math
import subprocess
import sys
import time
import urllib.parse
import urllib.request

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto import graph_pb2

PORT = 16006


def read(folder):
    train = EventAccumulator(folder + "/train", size_guidance={"scalars": 0, "histograms": 0, "images": 0}).Reload()
    validation = EventAccumulator(folder + "/validation").Reload()
    assert train.Tags()["images"] == ["examples"], train.Tags()
    assert train.Tags()["histograms"] == ["dense/kernel"], train.Tags()
    for reader, factor in ((train, 1.0), (validation, 1.5)):
        points = [(point.step, point.value) for point in reader.Scalars("epoch_loss")]
        assert [step for step, _ in points] == [1, 2, 3, 4, 5], points
        assert all(math.isclose(value, factor / step, rel_tol=1e-6) for step, value in points), points
    for point in train.Histograms("dense/kernel"):
        histogram, scale = point.histogram_value, point.step
        assert histogram.num == 1000 and sum(histogram.bucket) == 1000, histogram
        assert math.isclose(histogram.max, 4.995 * scale, rel_tol=1e-6), histogram
        assert math.isclose(histogram.min, -4.995 * scale, rel_tol=1e-6), histogram
        assert abs(histogram.sum) < 1e-2, histogram
        below = sum(count for limit, count in zip(histogram.bucket_limit, histogram.bucket) if limit <= 0)
        assert below == 500, below
    image = train.Images("examples")[0]
    assert (image.width, image.height) == (3, 2) and image.encoded_image_string[1:4] == b"PNG"
    graph = graph_pb2.GraphDef.FromString(train.Graph().SerializeToString())
    names = {node.name for node in graph.node}
    assert {"conv2d/kernel", "dense/kernel"} <= names, names
    assert all(source.split(":")[0] in names for node in graph.node for source in node.input)
    print(f"read: {len(graph.node)} nodes, tags {train.Tags()}")


def get(path, **query):
    url = f"http://localhost:{PORT}/data/{path}?{urllib.parse.urlencode(query)}"
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read()


def serve(folder):
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", folder, "--port", str(PORT), "--load_fast=false"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(120):
            time.sleep(0.5)
            try:
                if json.loads(get("runs")) == ["train", "validation"]:
                    break
            except OSError:
                pass
        points = json.loads(get("plugin/scalars/scalars", tag="epoch_loss", run="train"))
        assert [(step, round(value, 5)) for _, step, value in points] == [(e, round(1 / e, 5)) for e in range(1, 6)], points
        histograms = json.loads(get("plugin/histograms/histograms", tag="dense/kernel", run="train"))
        assert [entry[1] for entry in histograms] == [1, 2, 3, 4, 5], histograms
        images = json.loads(get("plugin/images/images", tag="examples", run="train", sample="0"))
        query = dict(urllib.parse.parse_qsl(images[0]["query"]))
        picture = get("plugin/images/individualImage", **query)
        assert picture[1:4] == b"PNG", picture[:20]
        graph = get("plugin/graphs/graph", run="train", conceptual="false").decode()
        assert "conv2d/kernel" in graph and "_output_shapes" in graph, graph[:500]
        print("served: scalars, histograms, images, graph")
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    read(sys.argv[1])
    serve(sys.argv[1])
