"""Mean and standard deviation of the singular values of a layer's Jacobian, over many examples, without computing each.

The Jacobian at one example is J = D W, D diagonal with the units' slopes. Its m singular values are the square roots
of the eigenvalues of B = D W W' D. The eigenvalues at 30 examples of a layer of 1000 units take over a second; their
mean square, tr(B) / m, is exact and free. The mean, tr(B^(1/2)) / m, is estimated:

- For a vector u of random signs, u'B^(1/2)u has the expectation tr(B^(1/2)). STEPS steps of Lanczos's method give the
  nodes and weights of a Gauss quadrature of it (Golub & Meurant 2010, "Matrices, Moments and Quadrature", chapter 7
  and section 11.6), for all examples at once.
- Gauss's rule is never below u'B^(1/2)u, Gauss-Radau's with a node at 0 never above. Their difference at STEPS / 2
  and at STEPS steps says where between the two the limit is.
- u'Bu and u'B^2 u are known from the same steps, their expectations tr(B) and tr(B^2) exactly. What a quadratic in B,
  fitted to B^(1/2), has too much in u is taken off: that removes most of the chance in u.

The mean is within 1 % of the exact one (a third of that, as a rule) with units from linear to almost all saturated,
and within 2 % even where one direction has as much of tr(B) as all others together: tests/test_singular_values.py
asks for it. With 1000 units the error is half of that. The standard deviation follows from mean and mean square, and is
wrong by (mean / standard deviation)^2 times as much. u is fixed by the layer and its size, so that what is seen to
change between two moments is the network.
"""

import numpy as np

from glorot.randomness import generator

STEPS = 12  # of Lanczos's method
DRAWS = 18_000  # random signs in all, or one vector of them for each example if that is more: it bounds the error
SMALL = 64  # layers up to so many units: exact, which is faster
BREAKDOWN = 1e-6  # a step of Lanczos that leaves less than this share of B's size has seen all of u's eigenvectors


def mean_and_std(W: np.ndarray, slopes: np.ndarray, layer: int = 0) -> tuple[float, float]:
    """Of the min(fan_out, fan_in) singular values of diag(slopes[e]) W, over all of them and all examples e.

    W: (fan_out, fan_in). slopes: (examples, fan_out). layer: chooses the random signs. Both are NaN where W or slopes
    are not finite.
    """
    size = float(abs(W).max()) * float(abs(slopes).max())
    if not np.isfinite(size):
        return np.nan, np.nan
    if not size:
        return 0.0, 0.0
    W, slopes = W / abs(W).max(), slopes / abs(slopes).max()  # so that no square over- or underflows
    if min(W.shape) <= SMALL:
        values = exact(W, slopes)
        return size * float(values.mean()), size * float(values.std())
    share = len(W) / min(W.shape)  # B has fan_out eigenvalues, of which what exceeds fan_in is 0
    roots, squares = _traces(W, slopes, layer)
    mean, square = share * float(roots.mean()), share * float(squares.mean())
    return size * mean, size * max(square - mean**2, 0.0) ** 0.5


def exact(W: np.ndarray, slopes: np.ndarray) -> np.ndarray:
    """All singular values of diag(slopes[e]) W, (examples, min(fan_out, fan_in)), ascending.

    Square roots of eigenvalues, three times as fast as a singular value decomposition. The least of them are off by
    up to 1e-3 of the largest, which the mean does not notice.
    """
    J = slopes[:, :, None] * W
    gram = J @ J.transpose(0, 2, 1) if W.shape[0] <= W.shape[1] else J.transpose(0, 2, 1) @ J
    return np.sqrt(np.maximum(np.linalg.eigvalsh(gram), 0))


def _traces(W: np.ndarray, slopes: np.ndarray, layer: int) -> tuple[np.ndarray, np.ndarray]:
    """Estimates of tr(B^(1/2)) / fan_out, and tr(B) / fan_out, of each example: (examples,) each."""
    examples, units = slopes.shape
    gram, squares = W @ W.T, slopes**2
    first = (squares @ np.diagonal(gram)).astype(np.float64) / units
    second = np.einsum("ij,ij->i", squares @ gram**2, squares).astype(np.float64) / units
    vectors = -(-DRAWS // (units * examples))
    signs = generator(units, "jacobian", layer).integers(0, 2, (examples * vectors, units))
    u = (2 * signs - 1).astype(np.float32)
    diagonal, beside = _lanczos(gram, np.repeat(slopes, vectors, axis=0), u)

    nodes, weights = (values.reshape(examples, -1) for values in _gauss(diagonal, beside))
    weights = weights / vectors
    roots = _limit(diagonal, beside).reshape(examples, -1).mean(axis=1)
    scale = np.where(first > 0, first, 1)
    powers = (nodes / scale[:, None])[:, :, None] ** np.arange(3)
    fit = _fitted(powers, np.sqrt(nodes / scale[:, None]), weights)
    wanted = np.stack([np.ones(examples), first / scale, second / scale**2], axis=1)
    sampled = np.einsum("en,enp->ep", weights, powers)
    return roots + np.sqrt(scale) * ((wanted - sampled) @ fit), first


def _fitted(powers: np.ndarray, roots: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Coefficients (3,) of the quadratic that is nearest to the roots (examples, nodes), by their weights.

    One for all examples: some u all but misses the eigenvector of an outlier, which all examples share.
    """
    root = np.sqrt(weights).reshape(-1)
    columns = powers.reshape(-1, 3) * root[:, None]
    return np.linalg.lstsq(columns, roots.reshape(-1) * root, rcond=None)[0]


def _lanczos(gram: np.ndarray, slopes: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The tridiagonal matrices of STEPS steps from each row of u: their diagonals, and what is beside them.

    slopes, u: (rows, units). Returns (rows, STEPS) twice; the last column of the second leads on to the next step.
    """
    q, before = u / np.float32(u.shape[1] ** 0.5), np.zeros_like(u)
    diagonal, beside = np.zeros((2, len(u), STEPS), np.float32)
    for step in range(STEPS):
        w = ((q * slopes) @ gram) * slopes
        diagonal[:, step] = np.einsum("ij,ij->i", w, q)
        w -= diagonal[:, step, None] * q
        if step:
            w -= beside[:, step - 1, None] * before
        norm = np.sqrt(np.einsum("ij,ij->i", w, w))
        goes_on = norm > BREAKDOWN * diagonal[:, 0]
        beside[:, step] = np.where(goes_on, norm, 0)
        before, q = q, np.where(goes_on[:, None], w, 0) / np.where(goes_on, norm, 1)[:, None]
    return diagonal.astype(np.float64), beside.astype(np.float64)


def _gauss(diagonal: np.ndarray, beside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of each row's quadrature: eigenvalues, and squares of the eigenvectors' first components."""
    rows, size = diagonal.shape
    T, i = np.zeros((rows, size, size)), np.arange(size)
    T[:, i, i], T[:, i[1:], i[:-1]] = diagonal, beside[:, : size - 1]
    values, vectors = np.linalg.eigh(T)
    return np.maximum(values, 0), vectors[:, 0, :] ** 2


def _radau(diagonal: np.ndarray, beside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same with one node more, at 0 (Golub & Meurant 2010, section 6.2)."""
    least = 1e-9 * diagonal[:, 0] + np.finfo(float).tiny
    pivot = np.maximum(diagonal[:, 0], least)
    for step in range(1, diagonal.shape[1]):
        pivot = np.maximum(diagonal[:, step] - beside[:, step - 1] ** 2 / pivot, least)
    return _gauss(np.column_stack([diagonal, beside[:, -1] ** 2 / pivot]), beside)


def _limit(diagonal: np.ndarray, beside: np.ndarray) -> np.ndarray:
    """u'B^(1/2)u / u'u of each row: between the two rules, at the share at which half of the steps agree with all."""

    def both(steps: int) -> tuple[np.ndarray, np.ndarray]:
        rules = (rule(diagonal[:, :steps], beside[:, :steps]) for rule in (_gauss, _radau))
        above, below = ((np.sqrt(nodes) * weights).sum(axis=1) for nodes, weights in rules)
        return above, above - below

    (half, half_gap), (above, gap) = both(STEPS // 2), both(STEPS)
    closed = float((half_gap - gap).sum())
    share = min(max(float((half - above).sum()) / closed, 0.0), 1.0) if closed > 0 else 0.0
    return above - share * gap
