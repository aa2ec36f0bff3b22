"""Values that pass between blocks which run at a time, without a barrier: each value is its own flag.

A place holds ``LATE`` until its value is there; a block that needs the value reads the place again until then. So the
first read that finds it is also the last, and no fence stands between: a relaxed store of 4 bytes is seen whole or not
at all (PTX's memory model), and nothing else is read on the strength of it. LATE is a NaN that no arithmetic of a GPU
gives: a NaN it computes is always 0x7fffffff. Four values (of four examples) travel in one store or load; each of them
is looked at, since PTX does not promise that the four are seen together.
"""

import time

import numpy as np
from llvmlite import ir
from numba import types

from glorot.kernels.cuda_tiles import SIMULATED

LATE = 0x7FE5A5A5

if SIMULATED:
    _LATE = np.array(LATE, np.uint32).view(np.float32)

    def put_four(array, i, a, b, c, d):
        array[i], array[i + 1], array[i + 2], array[i + 3] = a, b, c, d

    publish_four = put_four

    def withdraw_four(array, i):
        array[i : i + 4] = _LATE

    def look_at_four(array, i):
        found = array[i : i + 4].copy()
        if (found.view(np.uint32) == LATE).any():
            time.sleep(1e-4)  # let the other threads of this process work
        return tuple(found)

    def not_there():
        return _LATE[()]

    def late(a, b, c, d):
        return any(x.view(np.uint32) == LATE for x in (a, b, c, d))

else:
    from numba.cuda.extending import intrinsic

    from glorot.kernels.cuda_tiles import pointer_to

    _FLOAT, _INT, _VOID = ir.FloatType(), ir.IntType(32), ir.VoidType()

    def _store(builder, pointer, values):
        """Four values, one store that other multiprocessors see."""
        kind = ir.FunctionType(_VOID, [pointer.type, *(value.type for value in values)])
        letter = "f" if values[0].type == _FLOAT else "r"
        name = "st.relaxed.gpu.global.v4.b32 [$0], {$1, $2, $3, $4};"
        builder.asm(kind, name, ",".join(["l", *letter * 4]), [pointer, *values], side_effect=True)

    @intrinsic
    def put_four(typingctx, array, i, a, b, c, d):
        """array[i], ..., array[i + 3] = a, b, c, d in one store, i a multiple of 4. array: of 16-byte alignment."""

        def codegen(context, builder, signature, args):
            kind = ir.VectorType(_FLOAT, 4)
            vector = ir.Constant(kind, ir.Undefined)
            for lane, value in enumerate(args[2:]):
                vector = builder.insert_element(vector, value, _INT(lane))
            pointer = builder.bitcast(pointer_to(context, builder, signature, args), kind.as_pointer())
            builder.store(vector, pointer, align=16)
            return context.get_dummy_value()

        return types.void(array, i, *[types.float32] * 4), codegen

    @intrinsic
    def publish_four(typingctx, array, i, a, b, c, d):
        """array[i], ..., array[i + 3] = a, b, c, d, for other blocks to look at. array: in global memory."""

        def codegen(context, builder, signature, args):
            _store(builder, pointer_to(context, builder, signature, args), args[2:])
            return context.get_dummy_value()

        return types.void(array, i, *[types.float32] * 4), codegen

    @intrinsic
    def withdraw_four(typingctx, array, i):
        """array[i], ..., array[i + 3] = LATE."""

        def codegen(context, builder, signature, args):
            _store(builder, pointer_to(context, builder, signature, args), [_INT(LATE)] * 4)
            return context.get_dummy_value()

        return types.void(array, i), codegen

    @intrinsic
    def look_at_four(typingctx, array, i):
        """array[i], ..., array[i + 3] as they are now in the memory that all blocks share."""

        def codegen(context, builder, signature, args):
            pointer = pointer_to(context, builder, signature, args)
            kind = ir.FunctionType(ir.LiteralStructType([_FLOAT] * 4), [pointer.type])
            name = "ld.relaxed.gpu.global.v4.f32 {$0, $1, $2, $3}, [$4];"
            found = builder.asm(kind, name, "=f,=f,=f,=f,l", [pointer], side_effect=True)
            values = [builder.extract_value(found, lane) for lane in range(4)]
            return context.make_tuple(builder, signature.return_type, values)

        return types.UniTuple(types.float32, 4)(array, i), codegen

    @intrinsic
    def not_there(typingctx):
        """LATE."""

        def codegen(context, builder, signature, args):
            return builder.bitcast(_INT(LATE), _FLOAT)

        return types.float32(), codegen

    @intrinsic
    def late(typingctx, a, b, c, d):
        """Whether one of these is not there yet."""

        def codegen(context, builder, signature, args):
            one = [builder.icmp_unsigned("==", builder.bitcast(x, _INT), _INT(LATE)) for x in args]
            return builder.or_(builder.or_(one[0], one[1]), builder.or_(one[2], one[3]))

        return types.boolean(*[types.float32] * 4), codegen
