"""Functions that are compiled once, each by itself, and called by their address.

A function that another one calls by its name is compiled again into each of its callers, so the loops over a layer
would be compiled for each activation, loss and optimizer. Called by its address, a function is compiled once, whatever
calls it and whatever it calls. Such a call takes some nanoseconds: it is for work on many numbers.

The address is an argument of the caller, never part of its machine code, which the cache keeps for other processes.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from numba.core import cgutils, types
from numba.core.types.containers import StarArgTuple  # what *arguments are
from numba.core.typing.templates import Signature
from numba.extending import intrinsic


def calling(signature: Signature) -> Callable:
    """Intrinsic call(address, ...): calls the function with this signature that stands there."""

    @intrinsic
    def call(typingctx, address, *arguments):
        def codegen(context, builder, called, args):
            kind = context.call_conv.get_function_type(signature.return_type, signature.args)
            function, values = builder.inttoptr(args[0], kind.as_pointer()), cgutils.unpack_tuple(builder, args[1])
            status, result = context.call_conv.call_function(
                builder, function, signature.return_type, signature.args, values
            )
            with cgutils.if_unlikely(builder, status.is_error):
                context.call_conv.return_status_propagate(builder, status)
            return result

        return signature.return_type(types.int64, StarArgTuple.from_types(signature.args)), codegen

    return call


class Apart(NamedTuple):
    """A function that is compiled by itself. compiled: from `jit_apart`."""

    compiled: Any
    signature: Signature

    @property
    def address(self) -> int:
        """Where its machine code stands, which is compiled now, or loaded from the cache. It stays there as long as
        `compiled` does."""
        self.compiled.compile(self.signature)
        made = self.compiled.overloads[self.signature.args]
        return made.library.get_pointer_to_function(made.fndesc.llvm_func_name)
