"""ACTIVE_LEARNING: trajectories from which the committee asks for labels where it is unsure."""

from collections.abc import Iterator
from math import isinf
from typing import Annotated, Any, ClassVar, Literal, get_args

from annotated_types import Ge, Gt, Le
from pydantic import Field

from aims_pax.settings.md import OF_THE_COMMITTEE, MDSettings
from aims_pax.settings.methods.driver import DriverChoice, LearningDriverSettings
from aims_pax.settings.reading.kinds import Count, Kind, Limit, NotNegative, PathOrNamed, Positive, Seed, Whole
from aims_pax.settings.section import Contradiction
from aims_pax.settings.stage import StageSettings, half_a_dataset
from aims_pax.settings.stages.uncertainty import OF_COMPONENTS, RELATIVE, UNCERTAINTIES

UncertaintyName = Literal[
    "max_atomic_sd",
    "mean_atomic_sd",
    "ensemble_sd",
    "component_sd",
    "max_relative_sd",
    "component_relative_sd",
    "energy_sd",
    "stress_sd",
]
assert set(get_args(UncertaintyName)) == set(UNCERTAINTIES)


class ActiveLearningSettings(StageSettings):
    """Sampling, uncertainty, continual training and the goals of active learning."""

    ALIASES: ClassVar = {
        "max_epochs_worker": "epochs_per_worker",
        "intermediate_epochs": "intermediate_epochs_al",
    }

    num_trajectories: Annotated[int, Ge(1), Le(10**6), Whole] = Field(
        description="MD trajectories that run side by side."
    )
    use_foundational: bool = Field(
        False,
        description="Whether another model than the committee drives all trajectories. The committee then only judges "
        "the structures that they come to, and learns.",
    )
    foundational_model_settings: LearningDriverSettings | None = Field(
        None, description="The model that drives when use_foundational is true. mace-mp small when not given."
    )
    MD: Annotated[dict[str, Any], Kind("mapping of settings of MD")] = Field(
        default_factory=dict, description="How all trajectories of this stage move, where that differs from MD."
    )
    start_from: Literal["structures", "initial_dataset"] = Field(
        "structures",
        description="Where trajectories begin. structures: at the starting structures; initial_dataset: at training "
        "structures of the initial dataset, which are at temperature and differ from trajectory to trajectory. "
        "Velocities are drawn in both cases.",
    )
    max_MD_steps: Limit = Field(  # noqa: N815  the name in the files
        float("inf"), description="MD steps of this stage after which a trajectory is finished."
    )
    max_train_set_size: Limit = Field(
        float("inf"),
        description="Training structures of each member at which active learning is done. All that it has count, "
        "those of earlier stages among them.",
    )
    max_epochs: Limit = Field(float("inf"), description="Epochs of this stage after which it is done.")
    c_x: Annotated[float, Gt(-1)] = Field(
        0.0, description="Shift of the threshold: (1 + c_x) times the mean uncertainty. Negative values label more."
    )
    skip_step_mlff: Count = Field(25, description="MD steps between uncertainty estimates.")
    uncertainty_type: UncertaintyName = Field(
        "max_atomic_sd",
        description="Measure of the committee's disagreement about a structure. max_atomic_sd: of the atom whose force "
        "is least sure, eV/Å; mean_atomic_sd: the mean over atoms; ensemble_sd: of all forces together; "
        "component_sd: of the force component that is least sure, eV/Å; max_relative_sd: of an atom's force over this "
        "force and relative_force_eps, no unit; component_relative_sd: the same of a component of a force; energy_sd: "
        "of the energy, eV/atom; stress_sd: of the stress, eV/Å³, for crystals with compute_stress.",
    )
    relative_force_eps: Positive = Field(
        1.0,
        description="Force that relative scores add to an atom's own, or a component's, and then divide by, eV/Å. "
        "max_relative_sd takes the atom's, component_relative_sd the component's. Forces well below it count as this "
        "large.",
    )
    intermol_crossed_limit: Count = Field(
        10,
        description="Crossings of molecules alone in a row after which the loss intermol counts their forces, too. "
        "A crossing of the whole structure begins the row anew.",
    )
    intermol_forces_weight: NotNegative = Field(
        100.0, description="Weight of the force on a molecule in the loss intermol, from then on."
    )
    uncert_not_crossed_limit: Count = Field(
        50_000, description="MD steps of a trajectory without a crossing after which it is labelled anyway."
    )
    skip_alike: NotNegative = Field(
        0.0,
        description="Distance of descriptors below which structures are nearly alike, of which one alone is labelled. "
        "One that asks is passed over, and its MD goes on, while another trajectory of its system stands at one so "
        "near, whose label is awaited or learned. 1 is the root mean square distance of two training structures of the "
        "system. 0: none is passed over.",
    )
    withdraw_sure: bool = Field(
        False,
        description="Whether requests that no worker has begun are withdrawn where the models have become sure. They "
        "are scored again after each training. What a worker has begun is kept.",
    )
    freeze_threshold_dataset: Limit = Field(
        float("inf"), description="Training structures at which the threshold stops moving."
    )
    epochs_per_worker: Count = Field(2, description="Epochs trained for each new label.")
    share_epochs: bool = Field(
        False,
        description="Whether labels that are learned at the same time share their epochs. false: each has epochs of "
        "its own, as in aims-PAX. true: training takes less time where many labels arrive together, and models are "
        "worse for the same settings.",
    )
    intermediate_epochs_al: Count = Field(
        1, description="Epochs trained at a visit, before sampling goes on. At most epochs_per_worker."
    )
    replay_strategy: Literal["full_dataset", "random_subset"] = Field(
        "full_dataset",
        description="What an epoch runs over. full_dataset: everything; random_subset: the newest structures and as "
        "many others as train_subset_size says.",
    )
    train_subset_size: Count | None = Field(
        None, description="Training structures of an epoch, for replay_strategy random_subset."
    )
    valid_subset_size: Count | None = Field(
        None, description="Validation structures of an epoch, for replay_strategy random_subset. All when not given."
    )
    update_md_checkpoints: bool = Field(
        True, description="Whether a trajectory is rewound to its last labelled structure. false: to its start."
    )
    seeds_tags_dict: dict[str, Seed] | None = Field(
        None, description="Names and seeds of the members. Made from name_exp and the seed when not given."
    )
    converge_al: bool = Field(True, description="Whether models are trained to convergence at the end.")
    converge_best: bool = Field(True, description="Whether only the best member is converged. false: all members.")
    converge_on_validation: bool = Field(
        False,
        description="Whether the final convergence is then made once more, on the validation structures, too. It has "
        "the same epochs and learning rates; the stated errors are those of the models before.",
    )
    random_label_share: Annotated[float, Ge(0), Le(0.5)] = Field(
        0.0,
        description="Share of the labels that is taken from the MD at random. They validate and test in turn, and none "
        "of them trains: errors on them are those of the MD that the models are for. Those on test structures are the "
        "stated ones.",
    )
    analysis: bool = Field(
        False,
        description="Whether structures are also labelled on fixed steps, to see what the uncertainty is worth. Their "
        "labels train nobody while active learning runs.",
    )
    analysis_skip: Count = Field(50, description="MD steps of a trajectory between two labels of analysis.")
    train_on_analysis: bool = Field(
        True, description="Whether the final convergence trains on the labels of analysis. false: nothing ever does."
    )
    initial_train_dataset: PathOrNamed | None = Field(
        None,
        description="Labelled structures to start from, when there is no initial dataset generation. One file "
        "for all members, or one for each member's tag.",
    )
    initial_valid_dataset: PathOrNamed | None = Field(
        None, description="Labelled structures to validate on, beside initial_train_dataset."
    )
    extend_existing_final_ds: bool = Field(
        False,
        description="Whether a dataset that is finished is extended. Of a run of aims-PAX: begins with the members' "
        "files in data/final of output_dir, beside their models in GENERAL.model_dir. Of a run of this program in "
        "output_dir: goes on with it, as it does without this key, when a goal is raised.",
    )
    save_trajectories: bool = Field(True, description="Whether frames of the MD are saved for inspection.")

    def moved(self, md: MDSettings) -> MDSettings:
        """How a trajectory moves in this stage that would otherwise move so."""
        return md if not self.MD else MDSettings.model_validate(self.merged(md))

    def merged(self, md: MDSettings) -> dict[str, Any]:
        """The same as it would be written."""
        own = {MDSettings.ALIASES.get(key, key): value for key, value in self.MD.items()}
        return {**md.model_dump(exclude_unset=True), **own}

    @property
    def driving(self) -> DriverChoice | None:
        """What drives the MD; None: the committee."""
        if not self.use_foundational:
            return None
        return (self.foundational_model_settings or LearningDriverSettings()).choice

    @property
    def names_members(self) -> bool:
        """Whether members have names of their own, so that their number is told by these."""
        named = (self.seeds_tags_dict, self.initial_train_dataset, self.initial_valid_dataset)
        return any(isinstance(one, dict) for one in named)

    def contradictions(self) -> Iterator[Contradiction]:
        yield from super().contradictions()
        limits = (self.max_MD_steps, self.max_train_set_size, self.max_epochs)
        if self.desired_acc == 0 and all(isinf(limit) for limit in limits):
            found = "nothing says when active learning is done."
            yield Contradiction("", found, "Set max_train_set_size, max_MD_steps, desired_acc or max_epochs.")
        if self.intermediate_epochs_al > self.epochs_per_worker:
            found = (
                f"intermediate_epochs_al ({self.intermediate_epochs_al}) is more than "
                f"epochs_per_worker ({self.epochs_per_worker}), which it is a part of."
            )
            yield Contradiction("intermediate_epochs_al", found, "Lower the first or raise the second.")
        if self.converge_best and self.is_set("converge_best") and not self.converge_al:
            found = "converge_best chooses what converge_al converges, and converge_al is false."
            yield Contradiction("converge_best", found, "Remove converge_best, or set converge_al.")
        if self.converge_on_validation and not self.converge_al:
            found = "converge_on_validation repeats what converge_al does, and converge_al is false."
            yield Contradiction("converge_on_validation", found, "Remove converge_on_validation, or set converge_al.")
        if self.is_set("relative_force_eps") and self.uncertainty_type not in (RELATIVE, OF_COMPONENTS):
            of_both = f"{RELATIVE} and {OF_COMPONENTS}"
            found = f"relative_force_eps is of {of_both}, and uncertainty_type is {self.uncertainty_type}."
            yield Contradiction("relative_force_eps", found, f"Remove it, or set uncertainty_type: {RELATIVE}.")
        yield from self._driver_contradictions()
        yield from self._replay_contradictions()
        yield from self._member_contradictions()

    def _driver_contradictions(self) -> Iterator[Contradiction]:
        model = self.foundational_model_settings
        # A file of aims-PAX may have them at their defaults, which then ask for nothing.
        if model is not None and not self.use_foundational and model.identity != LearningDriverSettings().identity:
            found = "foundational_model_settings are given, and use_foundational is not true: the committee drives."
            yield Contradiction("foundational_model_settings", found, "Set use_foundational: true, or remove them.")
        for key in OF_THE_COMMITTEE if self.use_foundational else ():
            if self.MD.get(key):
                found = f"MD.{key} says how the committee drives, and use_foundational is true: it only judges."
                yield Contradiction(f"MD.{key}", found, "Remove it.")

    def _replay_contradictions(self) -> Iterator[Contradiction]:
        if self.replay_strategy == "random_subset":
            if self.train_subset_size is None:
                found = "replay_strategy random_subset needs train_subset_size."
                yield Contradiction("replay_strategy", found, "Set train_subset_size (training structures an epoch).")
            return
        for key in ("train_subset_size", "valid_subset_size"):
            if getattr(self, key) is not None:
                found = f"{key} is for replay_strategy random_subset, and replay_strategy is full_dataset."
                yield Contradiction(key, found, f"Remove {key}, or set replay_strategy: random_subset.")

    def _member_contradictions(self) -> Iterator[Contradiction]:
        tags = self.seeds_tags_dict
        if tags is not None and len(tags) != self.ensemble_size:
            found = f"seeds_tags_dict names {len(tags)} members, and ensemble_size is {self.ensemble_size}."
            yield Contradiction("seeds_tags_dict", found, "Give each member one name and one seed.")
        if tags is not None and len(set(tags.values())) != len(tags):
            found = "two members of seeds_tags_dict have the same seed, and would be the same model."
            yield Contradiction("seeds_tags_dict", found, "Give each member its own seed.")
        yield from half_a_dataset(self)
        train, valid = self.initial_train_dataset, self.initial_valid_dataset
        if tags is None and isinstance(train, dict) and isinstance(valid, dict) and set(train) != set(valid):
            found = "initial_train_dataset and initial_valid_dataset name different members."
            yield Contradiction("initial_valid_dataset", found, "Use the same tags in both.")
        if self.start_from == "initial_dataset" and train is not None:
            found = "start_from is initial_dataset, and structures of initial_train_dataset belong to no trajectory."
            yield Contradiction("start_from", found, "Set start_from: structures.")
        for key in ("initial_train_dataset", "initial_valid_dataset"):
            files = getattr(self, key)
            if isinstance(files, dict) and len(files) != self.ensemble_size:
                found = f"{key} has {len(files)} tags, and ensemble_size is {self.ensemble_size}."
                yield Contradiction(key, found, "Name one file for each member, or one file for all.")
            if isinstance(files, dict) and tags is not None and set(files) != set(tags):
                yield Contradiction(key, f"{key} and seeds_tags_dict name different members.", "Use the same tags.")
