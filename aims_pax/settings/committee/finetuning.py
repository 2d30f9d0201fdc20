"""TRAINING of mace.yaml: what members begin as, and what of that may change."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from aims_pax.settings.reading.kinds import AnyCase, Count, ExistingFile, Positive, Text
from aims_pax.settings.section import Contradiction, Section

FREEZE = ("freeze_embedding", "freeze_interactions", "freeze_products", "freeze_readouts")
LOW_RANK = ("lora_rank", "lora_alpha", "lora_freeze_A")
REPLAY = ("pt_train_file", "num_samples_pt")
"""Keys of each choice."""


class FineTuningSettings(Section):
    """Where members begin."""

    perform_finetuning: bool = Field(
        False,
        description="Whether members begin as a foundation model, pretrained_model, and not with random weights. "
        "ARCHITECTURE is then that of the model, of the elements that the structures have. Atomic energies are "
        "re-estimated.",
    )
    pretrained_model: Text | None = Field(
        None,
        description="With perform_finetuning: a file of a MACE model, or family and name of a published one. "
        "MACE downloads mace-mp:medium, for example. Of several heads, the one called default.",
    )
    finetuning_choice: Annotated[Literal["naive", "lora", "multihead"], AnyCase] = Field(
        "naive",
        description="What of the model changes. naive: all weights but those that are frozen; lora: matrices of low "
        "rank beside its linear layers; multihead: all weights, while a second head learns again what the model itself "
        "says of the structures in pt_train_file, so that it forgets less.",
    )
    freeze_embedding: bool = Field(False, description="Whether the vectors of elements stay as they are.")
    freeze_interactions: bool = Field(False, description="Whether the message passing stays as it is.")
    freeze_products: bool = Field(False, description="Whether the many-body products stay as they are.")
    freeze_readouts: bool = Field(False, description="Whether the readouts stay as they are.")
    lora_rank: Count = Field(8, description="Rank of the matrices of lora.")
    lora_alpha: Positive = Field(16.0, description="Weight of their product, as a multiple of 1 / lora_rank.")
    lora_freeze_A: bool = Field(  # noqa: N815  the name in the files
        False, description="Whether the first of the two matrices stays as it was drawn."
    )
    pt_train_file: ExistingFile | None = Field(
        None,
        description="For multihead: structures like those that the foundation model was trained on (.xyz, .extxyz, "
        "ase's other formats). Labels in it are not read. With each batch as many of them are trained on.",
    )
    num_samples_pt: Count = Field(1000, description="How many of them are used at most, drawn at random.")

    @property
    def frozen(self) -> tuple[str, ...]:
        """Keys of the parts that stay as they are."""
        return tuple(key for key in FREEZE if getattr(self, key))

    def contradictions(self) -> Iterator[Contradiction]:
        if not self.perform_finetuning:
            for key in ("pretrained_model", "finetuning_choice", *FREEZE, *LOW_RANK, *REPLAY):
                if getattr(self, key) != type(self).model_fields[key].default:
                    found = f"{key} is given, and perform_finetuning is false: members begin with random weights."
                    yield Contradiction(key, found, f"Set perform_finetuning: true, or remove {key}.")
            return
        if self.pretrained_model is None:
            found = "perform_finetuning is true, and pretrained_model does not say which model members begin as."
            yield Contradiction("perform_finetuning", found, "Give pretrained_model: a file, or mace-mp:medium.")
        choice = self.finetuning_choice
        frozen = self.frozen
        if frozen and choice == "lora":
            found = f"{frozen[0]} is true, and with lora nothing of the model changes anyway."
            yield Contradiction(frozen[0], found, "Remove it, or set finetuning_choice: naive.")
        if len(frozen) == len(FREEZE):
            yield Contradiction(frozen[0], "all parts of the model are frozen: nothing could be learned.", "Free one.")
        if choice == "multihead" and self.pt_train_file is None:
            found = "finetuning_choice is multihead, and pt_train_file does not say which structures are replayed."
            yield Contradiction("finetuning_choice", found, "Give pt_train_file, or set finetuning_choice: naive.")
        for keys, of in ((LOW_RANK, "lora"), (REPLAY, "multihead")):
            for key in keys if choice != of else ():
                if getattr(self, key) != type(self).model_fields[key].default:
                    found = f"{key} is given, and finetuning_choice is {choice}."
                    yield Contradiction(key, found, f"Remove it, or set finetuning_choice: {of}.")
