"""Numbers of what trains, with the real Keras: `python make_training.py [NAME...]`.

Writes optimizer_rules.json, schedules.json, losses_all.json, metrics_all.json and curves.json; with names, those of them.
A tensor in JSON is {"shape": [...], "values": [...]}, row-major, shortest decimals that give the f32 back.
"""

import json
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import keras
import numpy as np
import tensorflow as tf

HERE = os.path.dirname(os.path.abspath(__file__))
VERSIONS = {"keras": keras.__version__, "tensorflow": tf.__version__, "numpy": np.__version__}
L, O, K, M = keras.layers, keras.optimizers, keras.losses, keras.metrics
S = O.schedules


def number(value):
    return float(str(np.float32(value)))


def tensor(value):
    value = np.asarray(value, dtype=np.float32)
    return {"shape": list(value.shape), "values": [number(v) for v in value.ravel()]}


def uniform(rng, *shape, low=-1.0, high=1.0):
    return rng.uniform(low, high, shape).astype(np.float32)


def write(name, content):
    with open(os.path.join(HERE, name + ".json"), "w") as file:
        json.dump({"versions": VERSIONS, **content}, file, separators=(",", ":"))
        file.write("\n")


def plain(config):
    return json.loads(json.dumps({k: v for k, v in config.items() if k not in ("dtype", "fn")}, default=float))


# --- optimizers ------------------------------------------------------------------------------------------


def optimizer_cases():
    def own():
        yield O.SGD(0.1, momentum=0.9, nesterov=True)
        yield O.RMSprop(0.01, rho=0.8, momentum=0.9, centered=True)
        yield O.Adam(0.05, amsgrad=True, beta_2=0.9)
        yield O.AdamW(0.05)
        yield O.AdamW(0.05, weight_decay=0.1, amsgrad=True)
        yield O.Nadam(0.03)
        yield O.Nadam(0.03, beta_1=0.8, beta_2=0.95, epsilon=1e-3)
        yield O.Adamax(0.03)
        yield O.Adamax(0.03, beta_1=0.8, beta_2=0.9, epsilon=1e-3)
        yield O.Adagrad(0.1)
        yield O.Adagrad(0.1, initial_accumulator_value=0.5, epsilon=1e-3)
        yield O.Adadelta(1.0)
        yield O.Adadelta(0.5, rho=0.8, epsilon=1e-3)
        yield O.Lion(0.01)
        yield O.Lion(0.01, beta_1=0.8, beta_2=0.9)
        yield O.Lamb(0.02)
        yield O.Lamb(0.02, beta_1=0.8, beta_2=0.95, epsilon=1e-3, weight_decay=0.05)

    def common():
        kinds = ((O.SGD, dict(learning_rate=0.1, momentum=0.5)), (O.Adam, dict(learning_rate=0.05)),
                 (O.RMSprop, dict(learning_rate=0.01)))
        for kind, config in kinds:
            for rules in (
                dict(weight_decay=0.1), dict(clipnorm=0.7), dict(clipvalue=0.3), dict(global_clipnorm=0.8),
                dict(use_ema=True, ema_momentum=0.8), dict(use_ema=True, ema_momentum=0.8, ema_overwrite_frequency=3),
                dict(gradient_accumulation_steps=2),
                dict(gradient_accumulation_steps=3, global_clipnorm=0.8, weight_decay=0.1, use_ema=True, ema_momentum=0.7),
                dict(learning_rate=S.CosineDecay(0.1, 4, alpha=0.1), weight_decay=0.1),
            ):
                yield kind(**{**config, **rules})

    yield from own()
    yield from common()


def optimizer_rules():
    rng, steps, cases = np.random.default_rng(29), 7, []
    start = [uniform(rng, 3, 2), uniform(rng, 2)]
    gradients = [[uniform(rng, 3, 2) * np.float32([[1], [1e-2], [3]]), uniform(rng, 2)] for _ in range(steps)]
    gradients[3][1][:] = 0  # a gradient that is zero
    for optimizer in optimizer_cases():
        weights = [keras.Variable(v, name=n) for v, n in zip(start, ("kernel", "bias"))]
        after = []
        for gradient in gradients:
            optimizer.apply([tf.constant(g) for g in gradient], weights)
            after.append([number(v) for w in weights for v in np.asarray(w).ravel()])
        optimizer.finalize_variable_values(weights)
        variables = optimizer.variables[1 if isinstance(optimizer._learning_rate, S.LearningRateSchedule) else 2:]
        cases.append({
            "class_name": type(optimizer).__name__, "config": plain(optimizer.get_config()), "steps": after,
            "variables": [v.path.split("/")[-1] for v in variables], "slots": [tensor(v) for v in variables],
            "finalized": [number(v) for w in weights for v in np.asarray(w).ravel()]})
    write("optimizer_rules", {"start": list(map(tensor, start)), "gradients": [list(map(tensor, g)) for g in gradients],
                              "cases": cases})


def schedules():
    cases = []
    for schedule in (
        S.ExponentialDecay(0.1, 10, 0.5), S.ExponentialDecay(0.1, 7, 0.9, staircase=True),
        S.PiecewiseConstantDecay([5, 12, 20], [1.0, 0.5, 0.1, 0.01]), S.PolynomialDecay(0.1, 15),
        S.PolynomialDecay(0.1, 9, end_learning_rate=0.01, power=2.0), S.PolynomialDecay(0.1, 9, power=0.5, cycle=True),
        S.InverseTimeDecay(0.1, 4, 0.5), S.InverseTimeDecay(0.1, 4, 0.5, staircase=True), S.CosineDecay(0.1, 20),
        S.CosineDecay(0.0, 20, alpha=0.05, warmup_target=0.2, warmup_steps=6), S.CosineDecayRestarts(0.1, 5),
        S.CosineDecayRestarts(0.1, 5, t_mul=1.0, m_mul=0.8, alpha=0.1),
        S.CosineDecayRestarts(0.1, 4, t_mul=1.5, m_mul=0.9, alpha=0.01),
    ):
        steps = list(range(0, 31)) + [100]
        cases.append({"object": S.serialize(schedule), "steps": steps, "rates": [number(schedule(step)) for step in steps]})
    write("schedules", {"cases": cases})


# --- losses ----------------------------------------------------------------------------------------------


def losses_all():
    rng, cases = np.random.default_rng(31), []
    logits = uniform(rng, 5, 4, low=-3, high=3)
    chances = uniform(rng, 5, 4, low=0.02, high=0.98)
    probabilities = (np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)).astype("f")
    labels = np.array([2, 0, 3, 1, 2])
    onehot = np.eye(4, dtype="f")[labels]
    truths = rng.integers(0, 2, (5, 4)).astype("f")
    y, t = uniform(rng, 5, 4, low=-2, high=2), uniform(rng, 5, 4, low=-2, high=2)
    positive, counts = uniform(rng, 5, 4, low=0.1, high=3), rng.integers(0, 5, (5, 4)).astype("f")
    maps, mask = uniform(rng, 2, 3, 2, 3, low=0.05, high=0.95), rng.integers(0, 2, (2, 3, 2, 3)).astype("f")
    map_logits, map_labels = uniform(rng, 2, 3, 2, 3, low=-2, high=2), rng.integers(0, 3, (2, 3, 2))
    map_onehot = np.eye(3, dtype="f")[map_labels]
    ignoring = map_labels.copy()
    ignoring[0, 1], ignoring[1, 2, 1] = 255, 255
    first = lambda x: np.ascontiguousarray(np.moveaxis(x, -1, 1))

    def case(loss, y_true, y_pred):
        prediction = tf.Variable(y_pred)
        with tf.GradientTape() as tape:
            value = loss(y_true, prediction)
        loss.reduction = None
        each = loss(y_true, tf.constant(y_pred))
        loss.reduction = "sum_over_batch_size"
        # The configuration of some losses lacks arguments that they have.
        config = {k: v for k, v in plain({**loss.get_config(), **loss._fn_kwargs}).items() if k not in ("name",)}
        cases.append({"class_name": type(loss).__name__, "config": config, "y_true": tensor(y_true),
                      "y_pred": tensor(y_pred), "value": number(value), "each": tensor(each),
                      "gradient": tensor(tape.gradient(value, prediction))})

    for smoothing in (0.0, 0.2):
        case(K.BinaryCrossentropy(label_smoothing=smoothing), truths, chances)
        case(K.BinaryCrossentropy(from_logits=True, label_smoothing=smoothing), truths, logits)
        case(K.CategoricalCrossentropy(label_smoothing=smoothing), onehot, probabilities)
        case(K.CategoricalCrossentropy(from_logits=True, label_smoothing=smoothing), onehot, logits)
        case(K.BinaryFocalCrossentropy(label_smoothing=smoothing), truths, chances)
        case(K.CategoricalFocalCrossentropy(label_smoothing=smoothing), onehot, probabilities)
    case(K.BinaryFocalCrossentropy(apply_class_balancing=True, alpha=0.3, gamma=1.5), truths, chances)
    case(K.BinaryFocalCrossentropy(from_logits=True), truths, logits)
    case(K.BinaryFocalCrossentropy(gamma=3.0), mask, maps)
    case(K.CategoricalFocalCrossentropy(alpha=0.4, gamma=1.5, from_logits=True), onehot, logits)
    case(K.CategoricalFocalCrossentropy(), onehot, chances)
    case(K.BinaryCrossentropy(axis=1), mask, maps)
    case(K.CategoricalCrossentropy(axis=1, from_logits=True), first(map_onehot), first(map_logits))
    case(K.CategoricalCrossentropy(axis=1), first(map_onehot), first(maps))
    case(K.CategoricalFocalCrossentropy(axis=1), first(map_onehot), first(maps))
    case(K.SparseCategoricalCrossentropy(), labels, probabilities)
    case(K.SparseCategoricalCrossentropy(ignore_class=255, from_logits=True), ignoring, map_logits)
    case(K.SparseCategoricalCrossentropy(ignore_class=1), labels, probabilities)
    case(K.Poisson(), counts, positive)
    case(K.KLDivergence(), probabilities[::-1].copy(), probabilities)
    case(K.KLDivergence(), onehot, probabilities)
    case(K.MeanSquaredError(), t, y)
    case(K.MeanAbsoluteError(), t, y)
    case(K.MeanAbsolutePercentageError(), t, y)
    case(K.MeanSquaredLogarithmicError(), counts, positive)
    case(K.MeanSquaredLogarithmicError(), t, y)
    case(K.CosineSimilarity(), t, y)
    case(K.CosineSimilarity(axis=1), map_onehot, map_logits)
    case(K.Huber(), t, y)
    case(K.Huber(delta=0.4), t, y)
    case(K.LogCosh(), t, y * 5)
    case(K.Hinge(), truths, y)
    case(K.Hinge(), truths * 2 - 1, y)
    case(K.SquaredHinge(), truths, y)
    case(K.CategoricalHinge(), onehot, y)
    case(K.Dice(), mask, maps)
    case(K.Dice(axis=(1, 2, 3)), mask, maps)
    case(K.Dice(axis=(1, 2)), mask, maps)
    case(K.Dice(axis=(0, 1, 2)), mask, maps)
    case(K.Tversky(), mask, maps)
    case(K.Tversky(alpha=0.3, beta=0.7, axis=(1, 2, 3)), mask, maps)
    case(K.CategoricalGeneralizedCrossEntropy(), labels, probabilities)
    case(K.CategoricalGeneralizedCrossEntropy(q=0.8), labels, chances)
    case(K.CategoricalGeneralizedCrossEntropy(q=0.3), map_labels, maps)
    # Embeddings of length 1, of which the last has nobody of its class.
    near = uniform(rng, 7, 4)
    near /= np.linalg.norm(near, axis=-1, keepdims=True)
    kinds = np.array([0, 3, 0, 3, 9, 0, 11])
    case(K.Circle(), kinds, near)
    case(K.Circle(gamma=5.0, margin=0.25), kinds, near)
    case(K.Circle(gamma=5.0, remove_diagonal=False), kinds, near)
    # Labels: with repeats, full, empty, and two that do not fit.
    spelt = uniform(rng, 7, 5, 4, low=-3, high=3)
    rows = np.array([[1, 2, 0, 0, 0], [2, 2, 1, 0, 0], [3, 1, 2, 3, 1], [0, 0, 0, 0, 0], [2, 0, 0, 0, 0], [1, 1, 1, 1, 0],
                     [3, 3, 2, 2, 1]])
    case(K.CTC(), rows[:5], spelt[:5])
    case(K.CTC(), rows, spelt)
    write("losses_all", {"cases": cases})


# --- metrics ---------------------------------------------------------------------------------------------


def metrics_all():
    rng, cases = np.random.default_rng(37), []
    sizes = (4, 4, 3)  # a short last batch
    count = sum(sizes)
    weights = uniform(rng, count, low=0.2, high=2)
    scores = uniform(rng, count, 6, low=0, high=1).round(2)
    scores /= scores.sum(-1, keepdims=True)
    labels = rng.integers(0, 6, count)
    onehot = np.eye(6, dtype="f")[labels]
    truths, chances = rng.integers(0, 2, (count, 3)).astype("f"), uniform(rng, count, 3, low=0, high=1).round(1)
    one_truth, one_chance = truths[:, :1].copy(), uniform(rng, count, 1, low=0, high=1)
    y, t = uniform(rng, count, 3), uniform(rng, count, 3)
    pixels, pixel_scores = rng.integers(0, 3, (count, 2, 3)), uniform(rng, count, 2, 3, 3, low=0, high=1)
    data = {"weights": weights, "scores": scores, "labels": labels, "onehot": onehot, "truths": truths,
            "chances": chances, "one_truth": one_truth, "one_chance": one_chance, "y": y, "t": t,
            "pixels": pixels, "pixel_scores": pixel_scores, "pixel_onehot": np.eye(3, dtype="f")[pixels]}

    def run(make, y_true, y_pred, weighted):
        metric, at, results = make(), 0, []
        for size in sizes:
            part = slice(at, at + size)
            metric.update_state(data[y_true][part], data[y_pred][part], data["weights"][part] if weighted else None)
            at += size
            results.append([number(v) for v in np.ravel(np.asarray(metric.result()))])
        return metric, results

    def case(make, y_true, y_pred, weighted=True):
        metric, results = run(make, y_true, y_pred, False)
        found = {"class_name": type(metric).__name__, "config": plain(metric.get_config()), "y_true": y_true,
                 "y_pred": y_pred, "results": results}
        if weighted:
            found["weighted"] = run(make, y_true, y_pred, True)[1]
        cases.append(found)

    case(lambda: M.SparseCategoricalAccuracy(), "labels", "scores")
    case(lambda: M.SparseCategoricalAccuracy(), "pixels", "pixel_scores")
    case(lambda: M.CategoricalAccuracy(), "onehot", "scores")
    case(lambda: M.BinaryAccuracy(), "truths", "chances")
    case(lambda: M.BinaryAccuracy(threshold=0.3), "one_truth", "one_chance")
    case(lambda: M.TopKCategoricalAccuracy(k=2), "onehot", "scores")
    case(lambda: M.TopKCategoricalAccuracy(), "onehot", "scores")
    case(lambda: M.SparseTopKCategoricalAccuracy(k=3), "labels", "scores")
    for make in (M.Precision, M.Recall):
        case(lambda: make(), "truths", "chances")
        case(lambda: make(), "one_truth", "one_chance")
        case(lambda: make(thresholds=[0.2, 0.7]), "truths", "chances")
        case(lambda: make(class_id=1), "truths", "chances")
        case(lambda: make(top_k=2), "onehot", "scores")
        case(lambda: make(top_k=2, class_id=3), "onehot", "scores")
    for make in (M.PrecisionAtRecall, M.RecallAtPrecision, M.SensitivityAtSpecificity, M.SpecificityAtSensitivity):
        for rate in (0.3, 0.6, 0.9):
            case(lambda: make(rate), "truths", "chances")
            case(lambda: make(rate, num_thresholds=7), "one_truth", "one_chance")
        case(lambda: make(0.5, class_id=1), "truths", "chances")
        case(lambda: make(0.4, num_thresholds=1), "truths", "chances")
    for make in (M.TruePositives, M.TrueNegatives, M.FalsePositives, M.FalseNegatives):
        case(lambda: make(), "truths", "chances")
        case(lambda: make(thresholds=[0.2, 0.7]), "truths", "chances")
    for average in (None, "micro", "macro", "weighted"):
        case(lambda: M.F1Score(average=average), "onehot", "scores")
        case(lambda: M.FBetaScore(average=average, beta=2.0, threshold=0.4), "truths", "chances")
    for curve in ("ROC", "PR"):
        for method in ("interpolation", "minoring", "majoring"):
            case(lambda: M.AUC(curve=curve, summation_method=method), "one_truth", "one_chance")
        case(lambda: M.AUC(curve=curve, num_thresholds=5), "truths", "chances")
        case(lambda: M.AUC(curve=curve, thresholds=[0.2, 0.5, 0.55]), "one_truth", "one_chance")
        case(lambda: M.AUC(curve=curve, multi_label=True, num_thresholds=20), "truths", "chances", False)
        case(lambda: M.AUC(curve=curve, from_logits=True), "truths", "y")
    case(lambda: M.MeanIoU(3, sparse_y_pred=False), "pixels", "pixel_scores", False)
    case(lambda: M.MeanIoU(3, sparse_y_pred=False, ignore_class=1), "pixels", "pixel_scores", False)
    case(lambda: M.IoU(3, [0, 2], sparse_y_pred=False), "pixels", "pixel_scores", False)
    case(lambda: M.OneHotIoU(3, [0, 2]), "pixel_onehot", "pixel_scores", False)
    case(lambda: M.OneHotMeanIoU(3), "pixel_onehot", "pixel_scores", False)
    case(lambda: M.BinaryIoU(), "truths", "chances", False)
    case(lambda: M.BinaryIoU(target_class_ids=[1], threshold=0.3), "truths", "chances", False)
    for make in (M.MeanSquaredError, M.RootMeanSquaredError, M.MeanAbsoluteError, M.MeanAbsolutePercentageError,
                 M.MeanSquaredLogarithmicError, M.CosineSimilarity, M.LogCoshError, M.R2Score, M.PearsonCorrelation,
                 M.ConcordanceCorrelation):
        case(make, "t", "y")
    case(lambda: M.R2Score(class_aggregation="variance_weighted_average"), "t", "y")
    case(lambda: M.R2Score(class_aggregation=None), "t", "y")
    case(lambda: M.R2Score(num_regressors=2), "t", "y")
    case(lambda: M.BinaryCrossentropy(), "truths", "chances")
    case(lambda: M.BinaryCrossentropy(from_logits=True, label_smoothing=0.1), "truths", "y")
    case(lambda: M.CategoricalCrossentropy(), "onehot", "scores")
    case(lambda: M.SparseCategoricalCrossentropy(), "labels", "scores")
    case(lambda: M.KLDivergence(), "onehot", "scores")
    case(lambda: M.Poisson(), "t", "chances")
    for make in (M.Hinge, M.SquaredHinge):
        case(make, "truths", "y")
    case(M.CategoricalHinge, "onehot", "scores")
    write("metrics_all", {"sizes": sizes, "data": {k: tensor(v) for k, v in data.items()}, "cases": cases})


# --- curves ----------------------------------------------------------------------------------------------


def curves():
    """Fifty steps of a small net with batch norm, on the same batches from the same start."""
    rng, steps, batch = np.random.default_rng(41), 50, 8

    def build():
        return keras.Sequential([
            keras.Input((8, 8, 1)), L.Conv2D(4, 3, padding="same", name="conv"), L.BatchNormalization(name="norm"),
            L.ReLU(), L.MaxPooling2D(2), L.Conv2D(6, 3, activation="relu", name="conv_2"), L.Flatten(),
            L.Dense(3, activation="softmax", name="dense")])

    keras.utils.set_random_seed(41)
    start = build().get_weights()
    bases = uniform(rng, 3, 8, 8, 1)
    labels = rng.integers(0, 3, 64)
    images = (bases[labels] + uniform(rng, 64, 8, 8, 1)).astype("f").round(3)
    order = [rng.choice(64, batch, replace=False).tolist() for _ in range(steps)]
    runs = []
    for optimizer in (
        O.SGD(0.05), O.SGD(0.05, momentum=0.9, nesterov=True, weight_decay=1e-3), O.RMSprop(0.002), O.Adam(0.005),
        O.AdamW(S.CosineDecay(0.0, 45, warmup_target=0.01, warmup_steps=5), weight_decay=0.01), O.Nadam(0.005),
        O.Adamax(0.005), O.Adagrad(0.05), O.Adadelta(1.0), O.Lion(0.001), O.Lamb(0.02),
        O.Adam(0.005, global_clipnorm=0.5, use_ema=True, ema_momentum=0.9, gradient_accumulation_steps=2),
    ):
        model = build()
        model.compile(optimizer, "sparse_categorical_crossentropy")
        model.set_weights(start)
        losses = [number(model.train_on_batch(images[i], labels[i])) for i in order]
        runs.append({"class_name": type(optimizer).__name__, "config": plain(optimizer.get_config()), "losses": losses})
    model = keras.saving.serialize_keras_object(build())["config"]
    write("curves", {"model": model, "images": tensor(images), "labels": labels.tolist(), "order": order,
                     "start": list(map(tensor, start)), "runs": runs})


for make in (optimizer_rules, schedules, losses_all, metrics_all, curves):
    if not sys.argv[1:] or make.__name__ in sys.argv[1:]:
        make()
