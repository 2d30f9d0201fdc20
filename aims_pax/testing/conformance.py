"""That every part offers what its Protocol says: held by mypy, which reads this file; nobody runs it."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aims_pax import committee, protocols, sampling
    from aims_pax.labelling.errands import Errands
    from aims_pax.labelling.inline import InlinePool
    from aims_pax.labelling.shared import PoolShare
    from aims_pax.labelling.workers.parsl import ParslPool
    from aims_pax.outcome.evaluate import ErrorsOn, MeasuredModels
    from aims_pax.outcome.properties.findings import PropertyFindings
    from aims_pax.outcome.properties.validate import PropertiesOf
    from aims_pax.outcome.stability import Stability, WatchedRuns
    from aims_pax.structures.files import StructureFile
    from aims_pax.testing import drivers, pools, references, sources, springs
    from aims_pax.testing.committee import SpringCommittee

    AnyDriver = (
        committee.PushedForces
        | committee.CommitteeForces
        | sampling.CalculatorForces
        | sampling.DispersedForces
        | sampling.ReferenceForces
        | drivers.Bonds
        | drivers.FailingDriver
        | drivers.LennardJones
        | drivers.Tethers
    )

    def driver(one: AnyDriver) -> protocols.Driver:
        """Whatever moves atoms."""
        return one

    def explains(
        one: sampling.CalculatorForces | sampling.DispersedForces | sampling.ReferenceForces | drivers.FailingDriver,
    ) -> protocols.ExplainsFailures:
        """Those that compute structure by structure."""
        return one

    def forgets(one: sampling.CalculatorForces) -> protocols.ForgetsHistory:
        """Those that keep wave functions."""
        return one

    def answers_later(one: sampling.ReferenceForces) -> protocols.AnswersLater:
        """Those that compute elsewhere."""
        return one

    def labeller(one: Errands) -> protocols.Labeller:
        """Whoever has structures labelled."""
        return one

    def knows(one: sampling.ReferenceForces) -> protocols.KnowsLabels:
        """Those whose steps are labels."""
        return one

    def sampler(one: sampling.BatchedSampler) -> protocols.Sampler:
        """Whatever moves trajectories."""
        return one

    def predictor(one: committee.Ensemble | springs.Springs) -> protocols.Predictor:
        """Whatever predicts."""
        return one

    def learning(one: committee.Committee | SpringCommittee) -> protocols.Committee:
        """Whatever learns."""
        return one

    def spring_field(one: drivers.Bonds | drivers.Tethers) -> drivers.SpringField:
        """What a committee of springs may be made of."""
        return one

    def reference(one: references.SpringReference) -> protocols.Reference:
        """The others are held by their registry."""
        return one

    def pool(one: InlinePool | ParslPool | PoolShare | pools.ScriptedPool) -> protocols.Pool:
        """Wherever references run."""
        return one

    def source(one: StructureFile | sources.ListedSource) -> protocols.Source:
        """Whatever gives structures."""
        return one

    def validator(one: ErrorsOn | PropertiesOf | Stability) -> protocols.Validator:
        """Whatever tries models."""
        return one

    def findings(one: MeasuredModels | PropertyFindings | WatchedRuns) -> protocols.Findings:
        """What validators find."""
        return one
