"""The network for texts that `convnet train --model text-cnn` trains, in Keras, on the same folders.

    pip install tensorflow-cpu==2.21.0 keras==3.15.1
    python bench/reviews/keras_text.py FOLDER [EPOCHS [LENGTH [RATE [SEEDS]]]]

10,000 words, sentences of 60, RMSprop, batches of 64; the vocabulary is that of the training texts, as `TextVectorization` counts it.
"""

import os
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import keras
import numpy as np
from keras import layers

folder = sys.argv[1]
given = sys.argv[2:] + ["5", "60", "0.001", "1"][len(sys.argv) - 2 :]
epochs, length, rate, seeds = int(given[0]), int(given[1]), float(given[2]), int(given[3])


def read(part):
    texts, labels = [], []
    for label, name in enumerate(("negative", "positive")):
        inner = os.path.join(folder, part, name)
        for file in sorted(os.listdir(inner)):
            texts.append(open(os.path.join(inner, file), encoding="utf-8").read())
            labels.append(label)
    return texts, np.array(labels)


(train, train_labels), (test, test_labels) = read("train"), read("test")
words = layers.TextVectorization(max_tokens=10_000, output_sequence_length=length)
words.adapt(train)
x_train, x_test = np.asarray(words(train)), np.asarray(words(test))
for seed in range(seeds):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([
        keras.Input((length,)),
        layers.Embedding(10_000, 128),
        layers.Conv1D(32, 7, activation="relu"),
        layers.MaxPooling1D(5),
        layers.Conv1D(32, 7, activation="relu"),
        layers.GlobalMaxPooling1D(),
        layers.Dense(1),
    ])
    model.compile(
        keras.optimizers.RMSprop(rate),
        keras.losses.BinaryCrossentropy(from_logits=True),
        metrics=[keras.metrics.BinaryAccuracy(name="accuracy", threshold=0.0)],
    )
    start = time.time()
    history = model.fit(x_train, train_labels, batch_size=64, epochs=epochs, validation_data=(x_test, test_labels), verbose=0)
    figures = ", ".join(f"{accuracy:.4f}" for accuracy in history.history["val_accuracy"])
    print(f"seed {seed}: {model.count_params():,} parameters, test accuracy by epoch {figures}; {time.time() - start:.1f} s", flush=True)
