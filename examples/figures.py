"""The figures of a lecture: a network learns digits and is looked into, and convolutions at work on a photograph.

    python examples/figures.py [FOLDER]
"""

import sys
from pathlib import Path

import tinygrad_cnn as tg
from tinygrad_cnn import nn, optim, training
from tinygrad_cnn.viz import figures


def trained(epochs=10):
    """A small network that has learned the digits, and what its training came to."""
    tg.manual_seed(0)
    digits = tg.data.digits()
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10),
    ).astype("float64")  # so that the pictures are the same whichever kernels round where
    optimizer = optim.Adam(model.parameters(), lr=5e-3)
    history = {"losses": [], "train_accuracy": [], "test_accuracy": []}
    images, labels = digits.train_images, digits.train_labels
    for epoch in training.train(model, images, labels, optimizer=optimizer, epochs=epochs, batch_size=32, seed=0):
        history["losses"].append(epoch.loss)
        history["train_accuracy"].append(training.accuracy(model, images, labels))
        history["test_accuracy"].append(training.accuracy(model, digits.test_images, digits.test_labels))
    return model, history, digits


def of_a_network(folder, epochs=10):
    """What a network learned, and what it looks at."""
    model, history, digits = trained(epochs)
    image = digits.test_images[4]
    with tg.no_grad():
        logits = model(tg.tensor(digits.test_images))
    predictions = logits.argmax(axis=1)

    # The loss and the accuracy of each epoch.
    figures.save(figures.training_curve(**history), folder / "training_curve.png", dpi=80)

    # The kernels that the first layer learned: red is positive, blue negative.
    figures.save(figures.filters(model[0].weight), folder / "filters.png", dpi=80)

    # What each layer makes of one digit.
    figures.save(figures.feature_maps(model, image), folder / "feature_maps.png", dpi=80)

    # Which digit is taken for which.
    figures.save(figures.confusion_matrix(digits.test_labels, predictions), folder / "confusion_matrix.png", dpi=80)

    # The test images that are read wrongly, the surest mistake first.
    figure = figures.misclassified(digits.test_images, digits.test_labels, logits, limit=10)
    figures.save(figure, folder / "misclassified.png", dpi=80)

    # What the answer hangs on: the gradient by the pixels, in three ways.
    figures.save(figures.saliency(model, image), folder / "saliency.png", dpi=80)

    # Where in the image the evidence for the class lies: a class activation map.
    figures.save(figures.class_activation(model, image), folder / "class_activation.png", dpi=80)

    # The receptive field of a unit of the second convolution, and the gradient within it.
    figures.save(figures.receptive_field(model, image, "2"), folder / "receptive_field.png", dpi=80)

    # How weights and gradients are distributed after one more backward pass.
    model.zero_grad()
    tg.cross_entropy(model(tg.tensor(digits.train_images[:64])), digits.train_labels[:64]).backward()
    figures.save(figures.histograms(model), folder / "histograms.png", dpi=80)


def of_convolutions(folder):
    """What kernels do to a photograph, and where windows overlap."""

    # Image kernels on a photograph; without names it is the whole gallery.
    names = ["blur", "sharpen", "brighten", "outline", "emboss", "sobel_x", "sobel_y"]
    figures.save(figures.kernel_gallery(None, names, columns=4), folder / "kernel_gallery.png", dpi=70)

    # One kernel, its numbers, and what it makes of the photograph.
    figures.save(figures.filtered(None, "sobel"), folder / "sobel.png", dpi=50)

    # What stands beyond the border: the five padding modes, each blurred.
    figures.save(figures.padding_modes(), folder / "padding_modes.png", dpi=55)

    # How often a convolution reads each pixel: without padding the border counts for less.
    figures.save(figures.border_usage(), folder / "border_usage.png", dpi=80)

    # Why transposed convolutions leave checkerboards: how many input pixels write each output pixel.
    figures.save(figures.overlap(), folder / "overlap.png", dpi=80)


def main(folder=".", epochs=10):
    folder = Path(folder)
    of_a_network(folder, epochs)
    of_convolutions(folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
