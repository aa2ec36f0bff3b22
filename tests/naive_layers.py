"""The oracle of networks with convolutions: as naive.py, in float64, one loop per index, nothing clever.

layers: descriptions (glorot/models/layers.py), of which only shapes and tables are used. parameters: (W, b) of each.
Images are (n, height, width) of what the network sees.
"""

import naive
import numpy as np

from glorot.models.layers import Convolution, Dense, Pooling, Rbf


def convolution(layer, W, b, a):
    n, (maps, height, width), side = len(a), layer.outputs, layer.side
    z = np.zeros((n, maps, height, width)) + naive.float64(b)[:, None, None]
    for (o, i), kernel in zip(layer.pairs, naive.float64(W), strict=True):
        for u in range(side):
            for v in range(side):
                z[:, o] += kernel[u, v] * a[:, i, u : u + height, v : v + width]
    return z


def convolution_back(layer, W, a, delta):
    """dC/dW, dC/db (sums over the examples) and dC/da."""
    _, height, width = layer.outputs
    dW, below = np.zeros(np.shape(W)), np.zeros(a.shape)
    for k, (o, i) in enumerate(layer.pairs):
        for u in range(layer.side):
            for v in range(layer.side):
                dW[k, u, v] = (delta[:, o] * a[:, i, u : u + height, v : v + width]).sum()
                below[:, i, u : u + height, v : v + width] += naive.float64(W)[k, u, v] * delta[:, o]
    return dW, delta.sum(axis=(0, 2, 3)), below


def four(a):
    """Sums of 2 x 2 units."""
    return a[:, :, 0::2, 0::2] + a[:, :, 0::2, 1::2] + a[:, :, 1::2, 0::2] + a[:, :, 1::2, 1::2]


def pooling_back(W, a, delta):
    below = np.zeros(a.shape)
    for y in (0, 1):
        for x in (0, 1):
            below[:, :, y::2, x::2] = naive.float64(W)[:, None, None] * delta
    return (delta * four(a)).sum(axis=(0, 2, 3)), delta.sum(axis=(0, 2, 3)), below


def forward(layers, parameters, images, activation):
    """What each layer gets, and its z; of RBF units, the logits."""
    a, inputs, zs = naive.float64(images)[:, None], [], []
    f = naive.ACTIVATIONS[activation][0]
    parameters = iter(parameters)
    for l, layer in enumerate(layers):
        inputs.append(a.reshape(-1, *layer.inputs))
        if isinstance(layer, Rbf):
            zs.append(-((inputs[-1][:, None] - np.array(layer.patterns)) ** 2).sum(axis=2))
            continue
        W, b = next(parameters)
        if isinstance(layer, Convolution):
            zs.append(convolution(layer, W, b, inputs[-1]))
        elif isinstance(layer, Pooling):
            zs.append(naive.float64(W)[:, None, None] * four(inputs[-1]) + naive.float64(b)[:, None, None])
        else:
            zs.append(inputs[-1] @ naive.float64(W).T + b)
        a = f(zs[-1]) if l + 1 < len(layers) else zs[-1]
    return inputs, zs


def evaluate(layers, parameters, images, labels, activation, loss):
    """Loss of each example, (n,), and the class predicted, (n,)."""
    logits = forward(layers, parameters, images, activation)[1][-1]
    return naive.LOSSES[loss][0](logits, naive.one_hot(labels, logits.shape[1])), logits.argmax(axis=1)


def backward(layers, parameters, images, labels, activation, loss):
    """(dC/dW, dC/db) of every layer with parameters, C = mean loss of the examples; and n dC/dz of every layer."""
    inputs, zs = forward(layers, parameters, images, activation)
    n, slope = len(labels), naive.ACTIVATIONS[activation][1]
    delta = naive.LOSSES[loss][1](zs[-1], naive.one_hot(labels, zs[-1].shape[1]))
    steps, deltas = [], [delta]
    waiting = list(parameters)
    for l in reversed(range(len(layers))):
        layer, a = layers[l], inputs[l]
        if isinstance(layer, Rbf):
            below = -2 * (delta[:, :, None] * (a[:, None] - np.array(layer.patterns))).sum(axis=1)
        else:
            W, _b = waiting.pop()
            if isinstance(layer, Convolution):
                dW, db, below = convolution_back(layer, W, a, delta)
            elif isinstance(layer, Pooling):
                dW, db, below = pooling_back(W, a, delta)
            else:
                assert isinstance(layer, Dense)
                dW, db, below = delta.T @ a, delta.sum(axis=0), delta @ naive.float64(W)
            steps.append((dW / n, db / n))
        if l:
            delta = below.reshape(zs[l - 1].shape) * slope(zs[l - 1])
            deltas.append(delta)
    return steps[::-1], deltas[::-1]


def numerical_gradients(layers, parameters, images, labels, activation, loss, h=1e-6):
    """As backward's first, by central differences of the loss: no back-propagation in it at all."""
    parameters = [(np.array(W, float), np.array(b, float)) for W, b in parameters]

    def slope(parameter, place):
        kept, costs = parameter[place], []
        for value in (kept + h, kept - h):
            parameter[place] = value
            costs.append(evaluate(layers, parameters, images, labels, activation, loss)[0].mean())
        parameter[place] = kept
        return (costs[0] - costs[1]) / (2 * h)

    return [
        tuple(np.array([slope(p, i) for i in np.ndindex(p.shape)]).reshape(p.shape) for p in layer)
        for layer in parameters
    ]
