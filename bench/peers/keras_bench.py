"""Keras on TensorFlow: `keras_bench.py mnist-functional --mode train --batch 64 [--setting jit]`.

Training is `fit` over arrays, as its users write it; prediction is a compiled call of the model.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import keras
import numpy as np
import tensorflow as tf
from keras import layers
from measure import NETWORKS, arguments, report, seconds

BATCHES = 50  # per timed call of fit, so that what an epoch costs beside its steps weighs little

args = arguments(["plain", "jit"])
jit = args.setting == "jit"
tf.config.threading.set_intra_op_parallelism_threads(args.threads)


def network(filters, units):
    x = image = keras.Input((28, 28, 1))
    for i, count in enumerate(filters):
        x = layers.MaxPooling2D(2)(x) if i else x
        x = layers.Conv2D(count, 3, activation="relu")(x)
    x = layers.Flatten()(x)
    for count in units[:-1]:
        x = layers.Dense(count, activation="relu")(x)
    return keras.Model(image, layers.Dense(units[-1], activation="softmax")(x))


model = network(*NETWORKS[args.network])
if args.mode == "train":
    model.compile("rmsprop", "sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=jit)
    images = np.random.rand(args.batch * BATCHES, 28, 28, 1).astype("f")
    labels = np.random.randint(0, 10, len(images))
    step, count = lambda: model.fit(images, labels, batch_size=args.batch, verbose=0), len(images)
else:
    predict = tf.function(lambda x: model(x, training=False), jit_compile=jit)
    images = tf.random.uniform((args.batch, 28, 28, 1))
    step, count = lambda: predict(images).numpy(), args.batch
report("Keras/TensorFlow", args, count / seconds(step))
