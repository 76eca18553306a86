"""What CUDA permits and refuses where an operation's tensors lie on different devices.

The rules are torch's own: native_functions.yaml marks which operations leave the check to a TensorIterator, which
lets a CPU tensor without dimensions pass among CUDA tensors if it is an input and the iterator allows it; all other
kernels want every tensor on one device, but for the exceptions below. docs/explanation/how-the-rehearsal-works.md
has the table.
"""

# Two-operand iterators: one input without dimensions may stay on the CPU.
ONE_SCALAR = frozenset(
    """
    add sub rsub mul div true_divide divide multiply subtract floor_divide fmod remainder pow float_power atan2 arctan2
    copysign fmax fmin maximum minimum max min hypot heaviside nextafter gcd lcm logaddexp logaddexp2 igamma igammac
    ldexp logical_and logical_or logical_xor bitwise_and bitwise_or bitwise_xor bitwise_left_shift bitwise_right_shift
    __and__ __or__ __xor__ __lshift__ __rshift__ __iand__ __ior__ __ixor__ __ilshift__ __irshift__
    eq ne lt le gt ge greater greater_equal less less_equal not_equal xlogy special_xlogy special_xlog1py special_zeta
    mse_loss smooth_l1_loss huber_loss clamp_min clamp_max dist
    special_chebyshev_polynomial_t special_chebyshev_polynomial_u special_chebyshev_polynomial_v
    special_chebyshev_polynomial_w special_hermite_polynomial_h special_hermite_polynomial_he
    special_laguerre_polynomial_l special_legendre_polynomial_p
    """.split()
)
# torch moves CPU operands without dimensions itself.
ANY_SCALARS = frozenset(["where", "result_type"])
# A value without dimensions is read; everything else must agree. The name is that of the argument.
VALUE = {"masked_fill": "value", "fill": "value", "index_fill": "value", "fill_diagonal": "value"}
# The same since a release of torch: pull requests 141820 and 143264 of pytorch/pytorch. addcdiv still refuses.
VALUE_SINCE = {"lerp": ("weight", (2, 6)), "addcmul": ("tensor2", (2, 7))}
version = (2, 13)  # of the torch that runs; set when the rehearsal begins
# Between devices is what these are for, or they look at nothing but shapes.
CROSSING = frozenset(
    """
    copy _to_copy _foreach_copy _copy_from _copy_from_and_resize set is_same_size is_set_to lift_fresh lift
    lift_fresh_copy resize_as _has_compatible_shallow_copy_type record_stream sym_size size _nested_tensor_size
    _unsafe_view expand_as view_as reshape_as broadcast_tensors can_cast
    """.split()
)
INDEXING = frozenset(["index", "_unsafe_index", "index_put", "_index_put_impl", "_unsafe_index_put"])
# These read the named argument on the CPU, and refuse it on an accelerator.
ON_CPU = {"_pack_padded_sequence": "lengths", "tensor_split": "tensor_indices_or_sections"}
CPU_LISTS = {"_pad_packed_sequence": "batch_sizes", "_pack_padded_sequence_backward": "batch_sizes"}
EITHER = {
    "_ctc_loss": ("targets", "input_lengths", "target_lengths"),
    "_cudnn_ctc_loss": ("targets", "input_lengths", "target_lengths"),
    "ctc_loss": ("targets", "input_lengths", "target_lengths"),
    "_ctc_loss_backward": ("targets", "input_lengths", "target_lengths"),
}


def base_name(func):
    """aten::add_.Tensor is "add": an operation in place follows the rule of its other form."""
    name = func._schema.name.split("::")[-1]
    return name[:-1] if name.endswith("_") and not name.endswith("__") else name


class Operand:
    """One tensor of a call."""

    __slots__ = ("argument", "dims", "label", "position", "tensor", "writes")

    def __init__(self, argument, tensor, label, writes, position):
        self.argument = argument
        self.tensor = tensor
        self.label = label
        self.writes = writes
        self.dims = tensor.dim()
        self.position = position  # in a list of tensors, else None


def refused(name, operands, is_accelerator, cpu):
    """The operands that CUDA would refuse, empty where it would not. ``name`` is that of base_name()."""
    there = [o for o in operands if is_accelerator(o.label)]
    if not there:
        return []
    if name in ON_CPU:
        return [o for o in there if o.argument == ON_CPU[name]]
    here = [o for o in operands if o.label is cpu]
    if not here or name in CROSSING:
        return []
    if name.startswith("_foreach"):
        return _each(operands, is_accelerator, cpu)
    if name in INDEXING:
        return _indexing(name, operands, is_accelerator, cpu)
    if name in CPU_LISTS:
        return [o for o in here if o.argument != CPU_LISTS[name]]
    if name in EITHER:
        return [o for o in here if o.argument not in EITHER[name]]
    if name.startswith("_fused_"):
        return [o for o in here if o.argument not in ("state_steps", "lr", "grad_scale", "found_inf")]
    if name in VALUE:
        return [o for o in here if not (o.argument == VALUE[name] and o.dims == 0)]
    if name in VALUE_SINCE:
        free, since = VALUE_SINCE[name]
        return [o for o in here if not (o.argument == free and o.dims == 0 and version >= since)]
    if name in ANY_SCALARS:
        return [o for o in here if o.dims or o.writes]
    if name in ONE_SCALAR:
        free = [o for o in here if o.dims == 0 and not o.writes][:1]
        return [o for o in here if o not in free]
    return here


def _indexing(name, operands, is_accelerator, cpu):
    """The indices may be on the CPU or with the tensor; a value without dimensions is moved."""
    own = operands[0]
    if is_accelerator(own.label):
        return [o for o in operands[1:] if o.label is cpu and o.argument not in ("indices",) and o.dims]
    wrong = [o for o in operands[1:] if is_accelerator(o.label) and o.argument == "indices"]
    if wrong:
        return wrong
    return [own] if any(is_accelerator(o.label) and o.dims for o in operands[1:]) else []


def _each(operands, is_accelerator, cpu):
    """Lists are taken element by element; a tensor that is no list belongs to every element."""
    groups = {}
    for operand in operands:
        groups.setdefault(operand.position, []).append(operand)
    common = groups.pop(None, [])
    wrong = []
    for members in groups.values():
        together = members + common
        if any(is_accelerator(o.label) for o in together):
            wrong += [o for o in together if o.label is cpu and (o.dims or o.writes)]
    return wrong
