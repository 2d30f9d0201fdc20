"""What members may begin as, and what contradicts it."""

from collections.abc import Callable

import pytest

from .conftest import MACE, ProjectFolder

BEGUN = "perform_finetuning: true, pretrained_model: known.model"


@pytest.mark.parametrize(
    ("training", "words"),
    [
        ("perform_finetuning: true", "pretrained_model does not say which model members begin as."),
        ("pretrained_model: known.model", "pretrained_model is given, and perform_finetuning is false"),
        ("finetuning_choice: lora", "finetuning_choice is given, and perform_finetuning is false"),
        (f"{BEGUN}, finetuning_choice: replay", "Allowed: naive | lora | multihead"),
        (f"{BEGUN}, lora_rank: 4", "lora_rank is given, and finetuning_choice is naive."),
        (f"{BEGUN}, finetuning_choice: lora, freeze_readouts: true", "with lora nothing of the model changes anyway."),
        (
            f"{BEGUN}, freeze_embedding: true, freeze_interactions: true, freeze_products: true, freeze_readouts: true",
            "all parts of the model are frozen: nothing could be learned.",
        ),
        (f"{BEGUN}, finetuning_choice: multihead", "pt_train_file does not say which structures are replayed."),
        (f"{BEGUN}, num_samples_pt: 7", "num_samples_pt is given, and finetuning_choice is naive."),
        (f"{BEGUN}, convert_to_lora: true", "finetuning_choice: lora converts the model."),
    ],
)
def test_what_contradicts_it_is_said(refused: Callable[..., str], training: str, words: str) -> None:
    assert words in refused(mace=f"{MACE}TRAINING: {{{training}}}\n")


def test_the_network_is_that_of_the_model(refused: Callable[..., str]) -> None:
    said = refused(mace=f"{MACE}ARCHITECTURE:\n  num_channels: 16\n  max_L: 0\nTRAINING: {{{BEGUN}}}\n")
    assert "mace.yaml, line 3: With perform_finetuning the network is that of pretrained_model" in said
    assert "and ARCHITECTURE gives max_L, num_channels." in said


@pytest.mark.parametrize("key", ["compile", "enable_cueq"])
def test_what_can_not_be_compiled_is_said(refused: Callable[..., str], key: str) -> None:
    said = refused(mace=f"{MACE}TRAINING: {{{BEGUN}, finetuning_choice: lora}}\nMISC: {{{key}: true}}\n")
    assert f"MISC.{key} is true, and models fine-tuned by lora can't be run so." in said


def test_what_is_said_arrives(folder: ProjectFolder) -> None:
    training = folder.write(mace=f"{MACE}TRAINING: {{{BEGUN}, freeze_products: true}}\n").load().mace.training
    assert (training.perform_finetuning, training.pretrained_model) == (True, "known.model")
    assert training.frozen == ("freeze_products",)
