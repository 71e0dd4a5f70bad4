"""scripts.train in CPU processes that accelerate takes for GPU processes: it shards a model between those alone."""

from accelerate import state
from accelerate.utils import DistributedType

from scripts import train
from scripts.lib import cli

make = state.AcceleratorState.__init__


def as_gpus(self, *arguments, **options) -> None:
    """Makes the state as accelerate does, with another answer to the question what the processes are."""
    if state.PartialState(cpu=True).distributed_type == DistributedType.MULTI_CPU:
        state.PartialState._shared_state["distributed_type"] = DistributedType.MULTI_GPU
    make(self, *arguments, **options)


if __name__ == "__main__":
    state.AcceleratorState.__init__ = as_gpus
    cli.run(train.main, train.parse_args)
