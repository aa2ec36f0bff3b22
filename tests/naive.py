"""The oracle: a network in float64, as slow and as obvious as it gets. Tests compare with it; glorot never imports it.

Formulas are the textbook's, in the pre-activation z and not in the activation, on purpose: they share no step with
glorot/models/activations.py and glorot/models/losses.py. Layers are (W, b) with W: (fan_out, fan_in), b: (fan_out,).
"""

import numpy as np
from scipy import special


def float64(values):
    """The same in float64. Of an array of one number, NumPy 1's np.float64 makes a number."""
    return np.asarray(values, np.float64)


def sigmoid(z):
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-z))


def sigmoid_derivative(z):
    return np.exp(-np.abs(z)) / (1 + np.exp(-np.abs(z))) ** 2


def tanh_derivative(z):
    with np.errstate(over="ignore"):
        return 1 / np.cosh(z) ** 2


def normal_cdf(z):
    return special.ndtr(z)


def silu_derivative(z):
    return sigmoid(z) + z * sigmoid_derivative(z)


def mish(z):
    """z tanh(log(1 + e^z)), where the tangent is ((1 + e^z)^2 - 1) / ((1 + e^z)^2 + 1), exact far to the left too."""
    e = np.exp(np.minimum(z, 30))
    return z * (e * (e + 2) / (e * (e + 2) + 2))


def mish_derivative(z):
    return np.tanh(np.logaddexp(0, z)) + z * tanh_derivative(np.logaddexp(0, z)) * sigmoid(z)


def elu(z, alpha=1.0):
    return np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0)))


def elu_derivative(z, alpha=1.0):
    return np.where(z > 0, 1.0, alpha * np.exp(np.minimum(z, 0)))


SELU = 1.0507009873554805, 1.6732632423543772  # Klambauer et al. 2017
MOST_TURNS = 2**17  # the largest angle of sine

# name: (f(z), f'(z))
ACTIVATIONS = {
    "sigmoid": (sigmoid, sigmoid_derivative),
    "tanh": (np.tanh, tanh_derivative),
    "softsign": (lambda z: z / (1 + np.abs(z)), lambda z: 1 / (1 + np.abs(z)) ** 2),
    "relu": (lambda z: np.maximum(z, 0), lambda z: np.where(z > 0, 1.0, 0.0)),
    "leaky_relu": (lambda z: np.where(z > 0, z, 0.01 * z), lambda z: np.where(z > 0, 1.0, 0.01)),
    "elu": (elu, elu_derivative),
    "selu": (lambda z: SELU[0] * elu(z, SELU[1]), lambda z: SELU[0] * elu_derivative(z, SELU[1])),
    "gelu": (
        lambda z: z * normal_cdf(z),
        lambda z: normal_cdf(z) + z * np.exp(-np.square(np.clip(z, -100, 100)) / 2) / np.sqrt(2 * np.pi),
    ),
    "silu": (lambda z: z * sigmoid(z), silu_derivative),
    "mish": (mish, mish_derivative),
    "hard_tanh": (lambda z: np.clip(z, -1, 1), lambda z: np.where(np.abs(z) < 1, 1.0, 0.0)),
    "sine": (
        lambda z: np.where(np.abs(z) <= MOST_TURNS, np.sin(z), np.nan),
        lambda z: np.where(np.abs(z) <= MOST_TURNS, np.cos(z), np.nan),
    ),
    "softplus": (lambda z: np.logaddexp(0, z), sigmoid),
    "scaled_tanh": (lambda z: 1.7159 * np.tanh(2 * z / 3), lambda z: 1.7159 * 2 / 3 * tanh_derivative(2 * z / 3)),
    "linear": (lambda z: z, lambda z: np.ones_like(z)),
}


# Where a slope jumps.
CORNERS = {"relu": (0,), "leaky_relu": (0,), "selu": (0,), "hard_tanh": (-1, 1)}


def one_hot(labels, n_classes):
    return (np.arange(n_classes) == np.asarray(labels)[:, None]).astype(float)


def log_softmax(logits):
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def cross_entropy(logits, t):
    return -(t * log_softmax(logits)).sum(axis=1)


def cross_entropy_delta(logits, t):
    return np.exp(log_softmax(logits)) - t


def sigmoid_cross_entropy(logits, t):
    log_p, log_not_p = -np.logaddexp(0, -logits), -np.logaddexp(0, logits)
    return -(t * log_p + (1 - t) * log_not_p).sum(axis=1)


def sigmoid_cross_entropy_delta(logits, t):
    return sigmoid(logits) - t


def quadratic(logits, t):
    return ((sigmoid(logits) - t) ** 2 / 2).sum(axis=1)


def quadratic_delta(logits, t):
    return (sigmoid(logits) - t) * sigmoid_derivative(logits)


def nearest_pattern(logits, t):
    return -(t * logits).sum(axis=1) + 0 * logits.sum(axis=1)


def nearest_pattern_delta(logits, t):
    return -t


def with_rejection(logits):
    """A class of its own, of logit -1, for images of none."""
    return np.column_stack([logits, np.full(len(logits), -1.0)])


def rbf_map(logits, t):
    return -(t * log_softmax(with_rejection(logits))[:, :-1]).sum(axis=1)


def rbf_map_delta(logits, t):
    return np.exp(log_softmax(with_rejection(logits))[:, :-1]) - t


# name: (C of each example (n,), dC/dlogits (n, n_classes)), both of logits and one-hot targets t, (n, n_classes)
LOSSES = {
    "cross_entropy": (cross_entropy, cross_entropy_delta),
    "sigmoid_cross_entropy": (sigmoid_cross_entropy, sigmoid_cross_entropy_delta),
    "quadratic": (quadratic, quadratic_delta),
    "rbf": (nearest_pattern, nearest_pattern_delta),
    "rbf_map": (rbf_map, rbf_map_delta),
}


def forward(layers, pixels, activation):
    """Pre-activations of every layer (the last are the logits), and what each layer gets: pixels / 255 first."""
    inputs, zs = [np.asarray(pixels) / 255.0], []
    for W, b in layers:
        zs.append(inputs[-1] @ float64(W).T + b)
        inputs.append(ACTIVATIONS[activation][0](zs[-1]))
    return zs, inputs[:-1]


def evaluate(layers, examples, activation, loss):
    """Loss of each example, (n,), and the class predicted, (n,)."""
    logits = forward(layers, examples.pixels, activation)[0][-1]
    return LOSSES[loss][0](logits, one_hot(examples.labels, logits.shape[1])), logits.argmax(axis=1)


def gradients(layers, examples, activation, loss):
    """(dC/dW, dC/db) of every layer, C = mean loss of the examples, by back-propagation."""
    zs, inputs = forward(layers, examples.pixels, activation)
    n = len(examples.labels)
    delta = LOSSES[loss][1](zs[-1], one_hot(examples.labels, zs[-1].shape[1]))
    result = []
    for l in reversed(range(len(layers))):
        result.append((delta.T @ inputs[l] / n, delta.sum(axis=0) / n))
        if l > 0:
            delta = delta @ float64(layers[l][0]) * ACTIVATIONS[activation][1](zs[l - 1])
    return result[::-1]


def sgd_step(layers, examples, activation, loss, learning_rate):
    """The layers after one step on these examples."""
    steps = gradients(layers, examples, activation, loss)
    return [(W - learning_rate * dW, b - learning_rate * db) for (W, b), (dW, db) in zip(layers, steps, strict=True)]


def momentum(g, kept, t, rate, momentum=0.9, nesterov=False):
    """The change of a parameter, and what is kept of it for update t + 1. kept: None before update 1."""
    v = momentum * (0 if kept is None else kept) + g
    return -rate * (g + momentum * v if nesterov else v), v


def adam(g, kept, t, rate, beta1=0.9, beta2=0.999, epsilon=1e-8):
    m, v = (0, 0) if kept is None else kept
    m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g**2
    return -rate * m / (1 - beta1**t) / (np.sqrt(v / (1 - beta2**t)) + epsilon), (m, v)


def gradient_variance(g, kept, t, rate, decay=0.999, epsilon=1e-6):
    """The mean and the variance of all gradients so far, the older the less they count: of weight decay^age. (A mean of
    0 before the first one counts, too.)"""
    gs = [np.zeros_like(g), *([] if kept is None else kept[1:]), g]
    weights = (1 - decay) * decay ** np.arange(len(gs) - 1, -1, -1.0)
    weights[0] /= 1 - decay
    mean = sum(w * one for w, one in zip(weights, gs, strict=True))
    variance = sum(w * (one - mean) ** 2 for w, one in zip(weights, gs, strict=True))
    return -rate * g / (np.sqrt(variance / (1 - decay**t)) + epsilon), gs


def diagonal_hessian(g, kept, t, rate, mu=0.001):
    """kept: the curvature."""
    return -rate * mu / (kept + mu) * g, kept


OPTIMIZERS = {
    "momentum": momentum, "adam": adam, "gradient_variance": gradient_variance, "diagonal_hessian": diagonal_hessian,
}  # fmt: skip


def curvatures(layers, examples, activation, loss):
    """(d2C/dW2, d2C/db2) of every parameter by itself, without the terms in f'', as LeCun et al. (1998) have it."""
    zs, inputs = forward(layers, examples.pixels, activation)
    n, p = len(examples.labels), np.exp(log_softmax(zs[-1])) if loss == "cross_entropy" else sigmoid(zs[-1])
    curvature = p * (1 - p) if loss != "quadratic" else (p * (1 - p)) ** 2
    result = []
    for l in reversed(range(len(layers))):
        result.append((curvature.T @ inputs[l] ** 2 / n, curvature.sum(axis=0) / n))
        if l > 0:
            curvature = curvature @ float64(layers[l][0]) ** 2 * ACTIVATIONS[activation][1](zs[l - 1]) ** 2
    return result[::-1]


def trained(layers, minibatches, activation, loss, learning_rate, optimizer, kept=None, **parameters):
    """The layers after an update on each minibatch. optimizer: of OPTIMIZERS, with its parameters.

    kept: of each parameter before, {(l, 0 or 1): ...}, where it is not nothing.
    """
    layers = [[np.array(p, float) for p in layer] for layer in layers]
    kept = dict(kept or {})
    for t, examples in enumerate(minibatches, 1):
        for l, gs in enumerate(gradients(layers, examples, activation, loss)):
            for i, g in enumerate(gs):
                change, kept[l, i] = OPTIMIZERS[optimizer](g, kept.get((l, i)), t, learning_rate, **parameters)
                layers[l][i] += change
    return layers


def numerical_gradients(layers, examples, activation, loss, h=1e-6):
    """As gradients(), by central differences of the loss: no back-propagation in it at all."""
    layers = [(np.array(W, float), np.array(b, float)) for W, b in layers]

    def slope(parameter, place):
        kept, costs = parameter[place], []
        for value in (kept + h, kept - h):
            parameter[place] = value
            costs.append(evaluate(layers, examples, activation, loss)[0].mean())
        parameter[place] = kept
        return (costs[0] - costs[1]) / (2 * h)

    return [
        tuple(np.array([slope(p, i) for i in np.ndindex(p.shape)]).reshape(p.shape) for p in layer) for layer in layers
    ]


def ulps(found, wanted):
    """Distance of float32 results from float64 ones, in units in the last place of a float32 of wanted's size.
    An infinity counts as 2**128, the number after the largest finite one."""
    wanted = np.clip(wanted, -(2.0**128), 2.0**128)
    found = np.clip(float64(found), -(2.0**128), 2.0**128)
    _, exponent = np.frexp(wanted)
    return np.abs(found - wanted) / np.ldexp(1.0, np.maximum(exponent, -125) - 24)


# Distortions of images, one pixel at a time.


def splitmix(stream, address):
    """Number `address` of the splitmix64 sequence from `stream` (Steele, Lea & Flood 2014), in whole numbers."""
    z = (int(stream) + (int(address) + 1) * 0x9E3779B97F4A7C15) % 2**64
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
    return z ^ (z >> 31)


def displacements(stream, shape, sigma):
    """The two fields of displacements of an image, smoothed: U(-1, 1) a pixel, then a Gaussian that sums to 1."""
    words = [splitmix(stream, 16 + place) for place in range(shape[0] * shape[1])]
    fields = [[word >> 40 for word in words], [(word >> 8) % 2**24 for word in words]]
    radius = int(4 * sigma + 0.5)
    taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    smoothed = []
    for field in fields:
        padded = np.pad(np.reshape(field, shape) / 2**23 - 1, radius)
        for axis in (0, 1):
            padded = np.apply_along_axis(np.convolve, axis, padded, taps / taps.sum(), "same")
        smoothed.append(padded[radius:-radius, radius:-radius])
    return smoothed


def backward_map(stream, shift=0, rotation=0.0, scaling=0.0, shear=0.0, flip=False):
    """Of a distortion: A, (2, 2), and t with old = A (new - t), of (x, y) about the centre. rotation: degrees."""
    u = {address: (splitmix(stream, address) >> 11) / 2**52 - 1 for address in (2, 3, 4, 5)}
    angle = np.deg2rad(rotation) * u[2]
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    mirror = np.diag([-1.0 if flip and splitmix(stream, 6) >> 63 else 1.0, 1.0])
    forward = mirror @ turn @ np.array([[1, shear * u[5]], [0, 1]]) @ np.diag([1 + scaling * u[3], 1 + scaling * u[4]])
    t = [((splitmix(stream, address) >> 32) * (2 * shift + 1) >> 32) - shift for address in (0, 1)]
    return np.linalg.inv(forward), np.array(t, float)


def bilinear(image, x, y, background):
    """The value at a place between four pixels. background: None: the nearest pixel of the edge."""
    height, width = image.shape

    def pixel(x, y):
        if background is not None and not (0 <= x < width and 0 <= y < height):
            return float(background)
        return float(image[min(max(y, 0), height - 1), min(max(x, 0), width - 1)])

    x0, y0 = int(np.floor(x)), int(np.floor(y))
    fx, fy = x - x0, y - y0
    above = (1 - fx) * pixel(x0, y0) + fx * pixel(x0 + 1, y0)
    below = (1 - fx) * pixel(x0, y0 + 1) + fx * pixel(x0 + 1, y0 + 1)
    return (1 - fy) * above + fy * below


def distorted(image, stream, background=0, elastic=None, **parameters):
    """An image after the distortion whose draws are the words of `stream`, in float64. elastic: (sigma, alpha)."""
    A, t = backward_map(stream, **parameters)
    dx, dy = displacements(stream, image.shape, elastic[0]) if elastic else np.zeros((2, *image.shape))
    centre, alpha = (np.array(image.shape[::-1]) - 1) / 2, elastic[1] if elastic else 0.0
    new = np.empty(image.shape)
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            px, py = A @ (np.array([x, y]) - centre - t) + centre + alpha * np.array([dx[y, x], dy[y, x]])
            new[y, x] = bilinear(image, px, py, background)
    return new


def naive_deltas(layers, examples, activation, loss):
    """dC/dz of every layer, C the loss of one example: (n, units) each."""
    zs, _ = forward(layers, examples.pixels, activation)
    deltas = [LOSSES[loss][1](zs[-1], one_hot(examples.labels, zs[-1].shape[1]))]
    for l in reversed(range(1, len(layers))):
        deltas.insert(0, deltas[0] @ float64(layers[l][0]) * ACTIVATIONS[activation][1](zs[l - 1]))
    return deltas


# Pre-training. ----------------------------------------------------------------------------------------------


def denoising_cost(W, b, c, t, x, activation, decoder):
    """Mean cost of a denoising autoencoder over a minibatch. t, x: (n, fan_in), clean and corrupted. c: (fan_in,).

    decoder: "unit" (t in [0, 1]), "symmetric" (t in [-1, 1]) or "linear".
    """
    s = ACTIVATIONS[activation][0](x @ W.T + b) @ W + c
    if decoder == "linear":
        return ((s - t) ** 2 / 2).sum(axis=1).mean()
    p, target = (sigmoid(s), t) if decoder == "unit" else (sigmoid(2 * s), (t + 1) / 2)
    return -(target * np.log(p) + (1 - target) * np.log(1 - p)).sum(axis=1).mean()


def numerical_denoising_gradients(W, b, c, t, x, activation, decoder, h=1e-6):
    """Of that cost by W, b and c, by central differences."""
    parameters, result = [np.array(one, float) for one in (W, b, c)], []
    for one in parameters:
        result.append(np.empty_like(one))
        for i in np.ndindex(one.shape):
            kept, costs = one[i], []
            for one[i] in (kept + h, kept - h):
                costs.append(denoising_cost(*parameters, t, x, activation, decoder))
            one[i] = kept
            result[-1][i] = (costs[0] - costs[1]) / (2 * h)
    return result
