"""The check that every name of a spec must pass before it can reach a Python file."""

from __future__ import annotations

import builtins
import keyword
import re

from ..recipe.steps import CHOICES

LONGEST_NAME = 64
_FORM = re.compile(r"[A-Za-z][A-Za-z0-9_]*")

# Attributes of nn.Module and of the generated class. A test compares them with torch.
_MODULE_ATTRIBUTES = """
    T_destination add_module apply bfloat16 buffers call_super_init children compile cpu cuda double dump_patches eval
    extra_repr float forward get_buffer get_extra_state get_parameter get_submodule half ipu load_state_dict modules
    mtia named_buffers named_children named_modules named_parameters parameters register_backward_hook register_buffer
    register_forward_hook register_forward_pre_hook register_full_backward_hook register_full_backward_pre_hook
    register_load_state_dict_post_hook register_load_state_dict_pre_hook register_module register_parameter
    register_state_dict_post_hook register_state_dict_pre_hook requires_grad_ set_extra_state set_submodule
    share_memory state_dict to to_empty train training type xpu zero_grad
    head_shares input_shape multipliers norm_bounds reset_parameters
"""
# Names that a generated file defines or imports.
_FILE_NAMES = """
    ClassVar F RECIPE Tensor nn torch x image self seed
    Dropout GroupedLinear LayerNorm2d LayerScale LocalConv2d LocalResponseNorm StochasticDepth
    ResponseNormWithinMap concat_towers gaussian_blur initialise read_cross subsample ShuffledConv2d
    UnsharedBiasConv2d TreeLinear affine maximum reorg
    Normal Uniform Constant Xavier Kaiming LeCun Recipe Iterations
    exchange half_exchange images Mesh PLACEMENT Placement Layers only_on SharedBatchNorm1d SharedBatchNorm2d
"""
MODULE_ATTRIBUTES = frozenset(_MODULE_ATTRIBUTES.split())
FILE_NAMES = frozenset(_FILE_NAMES.split()) | {step.__name__ for steps in CHOICES.values() for step in steps}


def objection(name: str) -> str:
    """The reason why `name` cannot be the name of a network, layer, placement or axis; "" if it can.

    The reason completes "`name` …".
    """
    if not name.isascii():
        strange = next(character for character in name if not character.isascii())
        return f"contains a non-ASCII character: U+{ord(strange):04X}"
    if not _FORM.fullmatch(name):
        return "is not a valid name: use a letter first, then letters, digits and underscores"
    if len(name) > LONGEST_NAME:
        return f"is longer than {LONGEST_NAME} characters"
    if "__" in name:
        return "has two underscores in a row, which Python reserves"
    if keyword.iskeyword(name) or keyword.issoftkeyword(name):
        return "is a Python keyword"
    if hasattr(builtins, name):
        return "is the name of a Python builtin"
    if name in MODULE_ATTRIBUTES:
        return "is an attribute of every PyTorch module"
    if name in FILE_NAMES:
        return "is a name that the generated file uses"
    return ""
