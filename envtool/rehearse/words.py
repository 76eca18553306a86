"""What is said of a fault or a limit: what happened, and the mend, by kind."""

from __future__ import annotations

from envtool.fact import Fact, dataclass


@dataclass(frozen=True, eq=False, repr=False)
class Told(Fact):
    """The names in a fault, as the child saw them."""

    name: str | None = None  # the culprit's, in the user's line
    other: str | None = None  # the tensor on the other device
    maker: str | None = None  # what made the culprit: "torch.zeros"
    owner: str | None = None  # the class that holds it
    attribute: str | None = None
    holds: str | None = None
    trained: bool = False
    operation: str | None = None
    device_word: str | None = None  # the program's own name for the accelerator: "device"
    loop: int | None = None  # the line of the loop that gives the tensor
    device: str = "cpu"

    @property
    def subject(self) -> str:
        """The culprit in a sentence."""
        return f"`{self.name}`" if self.name else "a tensor"

    @property
    def there(self) -> str:
        """The tensor that it meets."""
        return f"`{self.other}`" if self.other else "the other tensor"

    @property
    def like(self) -> str:
        """Where a new tensor should be made."""
        plain = self.other is not None and self.other.replace(".", "").replace("_", "").isalnum()
        return f"{self.other}.device" if plain else self.device_word or "DEVICE"

    @property
    def moved(self) -> str:
        """The line that moves it: a loop's value goes where the program says."""
        if not (self.name or "").isidentifier():
            return ".to(DEVICE)"
        like = self.device_word or (self.like if self.loop is None else "DEVICE")
        return f"{self.name} = {self.name}.to({like})"


# kind: (what is wrong, the mend)
KINDS: dict[str, tuple[str, str]] = {
    "made-on-cpu": (
        "{subject} is on the CPU and {there} on the accelerator: it was made without a device",
        "make it there: {maker}(..., device={like})",
    ),
    "left-behind": (
        "{subject} is on the CPU and {there} on the accelerator: nothing moved it",
        "{where}: {assigned}",
    ),
    "attribute": (
        "{subject} is on the CPU: a plain attribute of {owner}, which .to() does not move",
        "in {owner}.__init__: {register}",
    ),
    "parameter-in-a-list": (
        "{subject} is on the CPU: a parameter in a plain Python list or dict of {owner}, which .to() does not move"
        " and parameters() does not know",
        "in {owner}.__init__: nn.ParameterList(...) or nn.ParameterDict(...) around it",
    ),
    "module-in-a-list": (
        "the {holds} in `self.{attribute}` is on the CPU: in a plain Python list or dict of {owner}, which .to()"
        " does not move and parameters() does not know",
        "in {owner}.__init__: self.{attribute} = nn.ModuleList(...) or nn.ModuleDict(...)",
    ),
    "module-not-moved": (
        "the weights of this {owner} are on the CPU and its input is on the accelerator",
        "move the module once, after it is made: .to(DEVICE)",
    ),
    "optimizer-state": (
        "the optimizer's own numbers are on the CPU and the parameters on the accelerator",
        "move the model first, then make the optimizer, then load its state",
    ),
    "checkpoint": (
        "{subject} comes from torch.load and is on the CPU, where it was saved from",
        "torch.load(..., map_location=DEVICE)",
    ),
    "in-place": (
        "{subject} is on the CPU and can't take in what is on the accelerator",
        "make it with device=DEVICE, or add up numbers: .item()",
    ),
    "index": (
        "{subject} is on the accelerator and indexes a tensor on the CPU; only the other way round is allowed",
        "move one of them: {subject_code}.cpu() as the index, or the tensor .to(DEVICE)",
    ),
    "lengths": (
        "the lengths of pack_padded_sequence are on the accelerator; they belong on the CPU",
        "pass lengths.cpu()",
    ),
    "numpy": (
        "{subject} is on the accelerator, and NumPy can't see it there",
        "copy it first: {subject_code}.detach().cpu().numpy(), or .item() for one number",
    ),
    "pin-memory": (
        "{subject} is on the accelerator already, and only a CPU tensor can be pinned",
        "keep the dataset on the CPU and move each batch, or leave pin_memory out",
    ),
    "worker": (
        "this moves data to the accelerator in a forked process (a DataLoader worker); CUDA refuses that",
        "give back CPU tensors there, and move the batch in the training loop",
    ),
    "gradient": (
        "the gradient is on the {place_of_gradient} and what it belongs to is not",
        "make it on the device of its tensor: torch.zeros_like(...), or device=gradient.device",
    ),
    "second-gpu": (
        "this names {device}: a machine with one GPU has no such device",
        "take the device from one place: DEVICE",
    ),
    "generator": (
        "the random generator and the tensor are on two devices",
        "torch.Generator(device=DEVICE), or draw on the CPU and move",
    ),
}

LIMITS: dict[str, str] = {
    "compared": "this asks for the name cuda, and the device is called meta here: --device cuda rehearses that branch",
    "compile": "torch.compile was left out: the model ran uncompiled",
    "torchscript": "TorchScript was left out or ran on the CPU: devices inside it are not rehearsed",
    "export": "the export ran on the CPU: what it writes is not rehearsed",
    "autocast": "autocast ran with the CPU's list of operations: the types of single results may differ on CUDA",
    "half-precision": "this CPU lacks some half-precision kernels: those were computed in float32",
    "fused": "this torch has no fused optimizer for the CPU: the ordinary one ran",
    "data-parallel": "DataParallel ran with one device",
    "distributed": "a process group was made: other processes and NCCL are not rehearsed",
    "subprocess": "another program was started: what it does is not rehearsed",
    "trained-on-cpu": "parameters that stay on the CPU are trained here: no GPU would help with them",
    "spawn": "a process was spawned: what it does is not rehearsed",
}


def say(kind: str, told: Told) -> tuple[str, str]:
    """(message, hint) of a fault; a kind that nobody knows is told as it is."""
    what, mend = KINDS.get(kind, ("the devices do not agree", "bring both tensors to one device"))
    code = told.name or "tensor"
    attribute = (told.attribute or "name").split("[")[0]
    wrapped = f"self.{attribute} = nn.Parameter(...)" if told.trained else f'self.register_buffer("{attribute}", ...)'
    values = {
        "subject": told.subject,
        "subject_code": code,
        "there": told.there,
        "like": told.like,
        "maker": told.maker if told.maker and told.maker.startswith("torch.") else "torch.tensor",
        "owner": told.owner or "module",
        "attribute": attribute,
        "holds": told.holds or "layer",
        "assigned": told.moved,
        "where": "move it before this line" if told.loop is None else f"after line {told.loop}",
        "register": wrapped,
        "device": told.device,
        "place_of_gradient": "CPU" if told.device == "cpu" else "accelerator",
    }
    return what.format_map(values), mend.format_map(values)


def say_limit(name: str) -> str:
    """What a limit means."""
    return LIMITS.get(name, f"not rehearsed: {name}")
