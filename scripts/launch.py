"""Starts a script in one process for each GPU, on one node or several: `accelerate launch`, with the script's status.

Each node calls this once. On one node the processes meet at a free port. On several they meet at `--main`, a free port
of the first node, which the rule's `srun` passes to all nodes; `srun` also numbers them.

    python -m scripts.launch --parallel fsdp --processes 8 scripts.train --processes 8 ...
    srun --nodes=2 --ntasks=2 --overlap python -m scripts.launch --parallel fsdp --processes 16 --nodes 2 \\
        --main gpu-node-7:41235 scripts.train --processes 16 ...

Slurm sends SIGTERM and SIGUSR1 to all processes: the launcher leaves them to the script and waits until it has saved
its progress. A script that exits with status 76 is restarted.
"""

import argparse
import os
import signal

from scripts.lib import cli
from scripts.lib.jobs import cards

SMALLER = 76  # exit status of a script that ran out of memory and must be restarted with fewer rows per pass


def parse_args(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parallel", required=True, help="a file in envs/accelerate/: ddp, fsdp or zero3")
    parser.add_argument("--processes", type=int, required=True, help="total number of processes")
    parser.add_argument("--nodes", type=int, default=1, help="number of nodes that share them evenly")
    rank = os.environ.get("SLURM_PROCID", "0")
    parser.add_argument("--node", type=int, default=int(rank), help="this node's rank, from 0 (default: Slurm's)")
    parser.add_argument("--main", metavar="HOST:PORT", help="where the nodes meet: a free port of node 0")
    parser.add_argument("script", help="a module, such as scripts.train")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="its arguments")
    return parser.parse_args(argv)


def main(args: argparse.Namespace) -> int:
    """Starts this node's processes and waits for them; returns the status of the first one that fails."""
    from accelerate.commands import launch
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    cards.take(args.processes)
    for number in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    host, _, port = (args.main or ":0").rpartition(":")  # 0: any free port
    options = ["--config_file", str(cli.ROOT / "envs" / "accelerate" / f"{args.parallel}.yaml")]
    options += ["--num_processes", str(args.processes), "--main_process_port", port]
    if args.nodes > 1:
        # No rendezvous backend: with one, the other launchers fail if node 0's launcher ends first.
        options += ["--num_machines", str(args.nodes), "--machine_rank", str(args.node), "--main_process_ip", host]
    wanted = launch.launch_command_parser().parse_args([*options, "--module", args.script, *args.arguments])
    wanted.signals_to_handle = "SIGINT"  # torchrun would otherwise kill the script soon after SIGTERM
    while True:
        try:
            launch.launch_command(wanted)
            return 0
        except ChildFailedError as error:
            status = error.get_first_failure()[1].exitcode
        if status != SMALLER:
            return status


if __name__ == "__main__":
    cli.run(main, parse_args)
