"""Keras on TensorFlow: `keras_bench.py mnist-functional --mode train --batch 64 [--setting jit]`.

Training is `fit` over arrays, as its users write it, or one batch again and again where a step is long; prediction is a
compiled call of the model.
"""

import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import keras
import numpy as np
import tensorflow as tf
from keras_network import network
from measure import LEARNING_RATE, arguments, report, seconds

BATCHES = 50  # per timed call of fit, so that what an epoch costs beside its steps weighs little
LONG = 0.1  # seconds of a step in which the cost of feeding it is lost

args = arguments(["plain", "jit"])
jit = args.setting == "jit"
tf.config.threading.set_intra_op_parallelism_threads(args.threads)
model = network(args.network, args.input, args.classes)


def arrays(batches):
    count = args.batch * batches
    return np.random.rand(count, *args.input).astype("f"), np.random.randint(0, args.classes, count)


if args.mode == "train":
    optimizer = keras.optimizers.RMSprop(LEARNING_RATE) if args.rmsprop else keras.optimizers.SGD(LEARNING_RATE, 0.9)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=jit)
    batch = arrays(1)
    step, count = lambda: model.train_on_batch(*batch), args.batch
    step()
    start = time.perf_counter()
    step()
    if time.perf_counter() - start < LONG:
        data = arrays(BATCHES)
        step, count = lambda: model.fit(*data, batch_size=args.batch, verbose=0), args.batch * BATCHES
        step()
else:
    predict = tf.function(lambda x: model(x, training=False), jit_compile=jit)
    images = tf.random.uniform((args.batch, *args.input))
    step, count = lambda: predict(images).numpy(), args.batch
rate = count / seconds(step, args.seconds, ran_before=args.mode == "train")
parameters = sum(weight.shape.num_elements() for weight in model.trainable_weights)
report("Keras/TensorFlow", f"{keras.__version__}/{tf.__version__}", args, rate, parameters)
