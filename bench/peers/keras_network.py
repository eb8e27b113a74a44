"""The networks in Keras, for keras_bench.py: its own applications, and by hand what they lack."""

import keras
from keras import layers
from measure import RESNETS, SMALL


def network(name, shape, classes):
    applications = {"resnet50": keras.applications.ResNet50, "vgg16": keras.applications.VGG16,
                    "mobilenet-v2": keras.applications.MobileNetV2}
    if name in applications:
        return applications[name](weights=None, input_shape=shape, classes=classes)
    image = keras.Input(shape)
    x = small(image, *SMALL[name]) if name in SMALL else fashion(image) if name == "fashion-cnn" else resnet(image, *RESNETS[name])
    return keras.Model(image, layers.Dense(classes, activation="softmax")(x))


def small(x, filters, units):
    for i, count in enumerate(filters):
        x = layers.MaxPooling2D(2)(x) if i else x
        x = layers.Conv2D(count, 3, activation="relu")(x)
    x = layers.Flatten()(x)
    for count in units[:-1]:
        x = layers.Dense(count, activation="relu")(x)
    return x


def fashion(x):
    for i, (filters, kernel) in enumerate([(64, 7), (128, 3), (128, 3), (256, 3), (256, 3)]):
        x = layers.MaxPooling2D(2)(x) if i in (1, 3) else x
        x = layers.Conv2D(filters, kernel, padding="same", activation="relu")(x)
    x = layers.Flatten()(layers.MaxPooling2D(2)(x))
    for units in (128, 64):
        x = layers.Dropout(0.5)(layers.Dense(units, activation="relu")(x))
    return x


def resnet(x, depths, bottleneck):
    assert not bottleneck, "those are among Keras's applications"

    def unit(x, filters, kernel, strides):
        x = layers.Conv2D(filters, kernel, strides, padding="same", use_bias=False)(x)
        return layers.BatchNormalization()(x)

    x = layers.MaxPooling2D(3, 2, padding="same")(layers.ReLU()(unit(x, 64, 7, 2)))
    for stage, depth in enumerate(depths):
        for i in range(depth):
            filters, strides = 64 << stage, 2 if stage and not i else 1
            branch = unit(layers.ReLU()(unit(x, filters, 3, strides)), filters, 3, 1)
            shortcut = x if strides == 1 else unit(x, filters, 1, strides)
            x = layers.ReLU()(layers.Add()([branch, shortcut]))
    return layers.GlobalAveragePooling2D()(x)
