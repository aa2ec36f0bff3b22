"""Parts of arrays for the kernels: matrices in flat arrays, copies, zeros.

In compiled code they are intrinsics, which check nothing. What NumPy offers for the same takes the compiler several
times as long, in each of the kernels.
"""

from numba.core import cgutils, types
from numba.extending import intrinsic, overload
from numba.np.arrayobj import populate_array

from glorot.compiled.cache import inner
from glorot.kernels.simd import MATRIX, pointer_to

# Columns of ``layers``: W is (FAN_OUT, STRIDE_IN) at W; a below, a (or z) above, delta below and above.
FAN_IN, FAN_OUT, STRIDE_IN, STRIDE_OUT, W, BELOW, ABOVE = range(7)
ITEM = 4  # bytes of a float32


def matrix(flat, start, rows, columns):
    """A view of rows * columns numbers, from start on."""
    return flat[start : start + rows * columns].reshape((rows, columns))


@intrinsic
def _matrix(typingctx, flat, start, rows, columns):
    def codegen(context, builder, signature, args):
        first, shape = pointer_to(context, builder, flat, *args[:2]), args[2:]
        made, size = context.make_array(MATRIX)(context, builder), context.get_constant(types.intp, ITEM)
        strides = [builder.mul(shape[1], size), size]
        populate_array(
            made, first, cgutils.pack_array(builder, shape), cgutils.pack_array(builder, strides), size, None
        )
        return made._getvalue()

    return MATRIX(flat, types.intp, types.intp, types.intp), codegen


@overload(matrix)
def _overload_matrix(flat, start, rows, columns):
    return lambda flat, start, rows, columns: _matrix(flat, start, rows, columns)


@intrinsic
def _copy_part(typingctx, source, i, k, target, j, c, n):
    """target[j, c : c+n] = source[i, k : k+n]."""

    def codegen(context, builder, signature, args):
        source_, i_, k_, target_, j_, c_, n_ = args
        of, to = (
            pointer_to(context, builder, source, source_, i_, k_),
            pointer_to(context, builder, target, target_, j_, c_),
        )
        cgutils.raw_memcpy(builder, to, of, n_, ITEM)
        return context.get_dummy_value()

    p = types.intp
    return types.void(source, p, p, target, p, p, p), codegen


@intrinsic
def _clear_part(typingctx, values, j, k, n):
    """values[j, k : k+n] = 0."""

    def codegen(context, builder, signature, args):
        values_, j_, k_, n_ = args
        cgutils.memset(
            builder, pointer_to(context, builder, values, values_, j_, k_), builder.mul(n_, n_.type(ITEM)), 0
        )
        return context.get_dummy_value()

    p = types.intp
    return types.void(values, p, p, p), codegen


@inner
def copy(source, k, target, c, n):
    """Columns c..c+n-1 of target = columns k..k+n-1 of source: matrices that do not overlap."""
    for e in range(len(source)):
        _copy_part(source, e, k, target, e, c, n)


@inner
def clear(values, k, n):
    """Columns k..k+n-1 of a matrix = 0."""
    for e in range(len(values)):
        _clear_part(values, e, k, n)


# Views of a network's flat arrays.


@inner
def weights_of(layer, parameters):
    """W: (fan_out, stride_in), the bias in column fan_in."""
    return matrix(parameters, layer[W], layer[FAN_OUT], layer[STRIDE_IN])


@inner
def below_of(layer, values, examples):
    """Activations or deltas below a layer: (examples, stride_in)."""
    return matrix(values, layer[BELOW], examples, layer[STRIDE_IN])


@inner
def above_of(layer, values, examples):
    """Activations (or z) or deltas of a layer's units: (examples, stride_out)."""
    return matrix(values, layer[ABOVE], examples, layer[STRIDE_OUT])


@inner
def z_below_of(layer, a, examples):
    """What keep_z kept of the units below a layer: (examples, stride_in)."""
    return matrix(a, len(a) // 2 + layer[BELOW], examples, layer[STRIDE_IN])


@inner
def z_above_of(layer, a, examples):
    """Where z of a layer's units is kept, in the second half of the flat a: (examples, stride_out)."""
    return matrix(a, len(a) // 2 + layer[ABOVE], examples, layer[STRIDE_OUT])
