"""How functions are compiled that become part of their callers: neither optimized nor turned into machine code by
themselves.

Numba does both for every function, and again in each caller, its callers, and so on: a function five calls deep is
optimized five times. Here only the outermost function is, with all that it calls in it.
"""

from numba import _dynfunc
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import register_pass
from numba.core.typed_passes import NativeLowering


class _Part(JITCodeLibrary):
    """What one function and all that it calls are in LLVM's language, for the libraries of its callers."""

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True


@register_pass(mutates_CFG=True, analysis_only=False)
class _LoweringOfPart(NativeLowering):
    """As Numba's, to a _Part. Python cannot call what stands for the function."""

    _name = "lowering_of_part"

    def run_pass(self, state) -> bool:
        name = state.func_id.func_qualname
        state.library, state.flags.no_compile = _Part(state.targetctx.codegen(), name), True
        state.library.enable_object_caching()
        super().run_pass(state)
        lowered, address = state.cr, 0
        stand_in = _dynfunc.make_function(
            lowered.fndesc.lookup_module(), name, "", address, lowered.env, (state.library,)
        )
        state.targetctx.insert_user_function(stand_in, lowered.fndesc, [state.library])
        state.cr = lowered._replace(cfunc=stand_in)
        return True


class InCallers(CompilerBase):
    """Numba's own passes but for the lowering."""

    def define_pipelines(self):
        passes = DefaultPassBuilder.define_nopython_pipeline(self.state)
        passes.passes = [(_LoweringOfPart if one is NativeLowering else one, about) for one, about in passes.passes]
        passes.finalize()
        return [passes]
