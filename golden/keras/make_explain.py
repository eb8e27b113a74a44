"""Gradients by input and Grad-CAM of a small network, by TensorFlow's GradientTape: explain.keras and explain.json.

Made with TensorFlow 2.21.0, Keras 3.15.1, NumPy's generator of seed 6.
"""
import json
import pathlib

import keras
import numpy as np
import tensorflow as tf

here = pathlib.Path(__file__).parent
rng = np.random.default_rng(6)
layers = keras.layers
image = keras.Input((12, 12, 3), name="image")
maps = layers.Conv2D(4, 3, padding="same", activation="relu", name="first")(image)
maps = layers.BatchNormalization(name="norm")(maps)
maps = layers.MaxPooling2D(name="pool")(maps)
maps = layers.Conv2D(6, 3, activation="relu", name="last")(maps)
maps = layers.Dropout(0.5, name="drop")(maps)
flat = layers.Flatten(name="flat")(maps)
classes = layers.Dense(5, activation="softmax", name="classes")(flat)
model = keras.Model(image, classes, name="explained")
model.set_weights([
    (np.abs if index in (2, 5) else np.array)(rng.normal(0.4 if index == 5 else 0.0, 0.4, weight.shape)).astype("float32")
    for index, weight in enumerate(model.get_weights())
])
model.save(here / "explain.keras")

linear = keras.Model(image, [model.get_layer("last").output, flat])
kernel, bias = model.get_layer("classes").get_weights()
x = rng.random((1, 12, 12, 3), dtype="float32")
# The class for which the maps speak most, so that the map of class activation is not all zeros.
maps = model.get_layer("last").output.shape[1:]
seen = linear(x, training=False)[0].numpy()[0]
weights = kernel.reshape(*maps, -1).mean(axis=(0, 1))
chosen = int(np.maximum(seen @ weights, 0).sum(axis=(0, 1)).argmax())


def score(maps_and_flat):
    return tf.reduce_sum((maps_and_flat[1] @ kernel + bias)[:, chosen])


def gradient(pictures):
    pictures = tf.convert_to_tensor(pictures)
    with tf.GradientTape() as tape:
        tape.watch(pictures)
        value = score(linear(pictures, training=False))
    return tape.gradient(value, pictures).numpy(), float(value)


saliency, value = gradient(x)
steps = 64
# The midpoint rule from black.
integrated = x * np.mean([gradient(x * np.float32((k + 0.5) / steps))[0] for k in range(steps)], axis=0)
with tf.GradientTape() as tape:
    both = linear(tf.convert_to_tensor(x), training=False)
    tape.watch(both)
    # Flatten again behind the watched maps.
    last = both[0]
    value_again = tf.reduce_sum((tf.reshape(last, (1, -1)) @ kernel + bias)[:, chosen])
by_maps = tape.gradient(value_again, last).numpy()
cam = np.maximum((last.numpy() * by_maps.mean(axis=(1, 2), keepdims=True)).sum(-1), 0)[0]


@tf.custom_gradient
def guided(value):
    result = tf.nn.relu(value)
    return result, lambda upstream: tf.nn.relu(upstream) * tf.cast(result > 0, tf.float32)


for name in ("first", "last"):
    model.get_layer(name).activation = guided
linear = keras.Model(image, [model.get_layer("last").output, flat])
guided_gradient = gradient(x)[0]
numbers = lambda array: [float(f"{number:.9g}") for number in np.asarray(array).ravel()]
(here / "explain.json").write_text(json.dumps({
    "class": chosen, "score": value, "black": gradient(np.zeros_like(x))[1], "steps": steps, "input": numbers(x),
    "probabilities": numbers(model(x)), "saliency": numbers(saliency), "integrated": numbers(integrated),
    "cam_sizes": cam.shape, "cam": numbers(cam), "guided": numbers(guided_gradient),
}))
print(value, model(x).numpy(), cam, integrated.sum(), gradient(np.zeros_like(x))[1], np.abs(guided_gradient - saliency).max())
