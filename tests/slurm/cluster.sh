#!/usr/bin/env bash
# A Slurm cluster of two nodes, with a pretended GPU each, on this machine, for tests: `cluster.sh up | status | down`.
# munged, slurmctld and a slurmd for each node run as plain daemons, without systemd and cgroups. Needs root and Debian
# packages.
set -euo pipefail

folder=${REDPEN_TEST_CLUSTER:-/tmp/redpen-slurm}
export SLURM_CONF=$folder/slurm.conf
# A job's inner srun drops SLURM_CONF and looks here, so this becomes a link to ours.
default_conf=/etc/slurm/slurm.conf

nodes=(node1 node2)

fail() { echo "cluster.sh: $*" >&2; exit 1; }
cannot() { echo "cluster.sh: $*" >&2; exit 3; }  # not on this machine: tests are skipped

pid() {  # DAEMON or NODE: its process id, where the pid file names a living process of that name
  local id comm=$1; [[ $1 != node* ]] || comm=slurmd
  id=$(cat "$folder/$1.pid" 2>/dev/null) || return 1
  [ "$(cat "/proc/$id/comm" 2>/dev/null)" = "$comm" ] && [ -e "/proc/$id/exe" ] && echo "$id"
}
gone() { ! pid "$1" >/dev/null; }
ready() {
  [ "$(timeout 5 sinfo --noheader --Node --partition=test --format=%t | grep -cE '^(idle|mix|alloc|comp)$')" = ${#nodes[@]} ]
}
is_up() {
  local daemon
  for daemon in munged slurmctld "${nodes[@]}"; do pid $daemon >/dev/null || return 1; done
  ready 2>/dev/null
}

await() {  # WHAT COMMAND...: until the command succeeds, 20 s at most
  local what=$1 end=$((SECONDS + 20)); shift
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || { tail -n 5 "$folder"/*.log >&2 || true; fail "$what"; }
    sleep 0.1
  done
}

install_packages() {
  local packages=(munge slurmctld slurmd slurm-client)
  ! dpkg -s "${packages[@]}" >/dev/null 2>&1 || return 0
  command -v apt-get >/dev/null || cannot "Slurm is not installed, and there is no apt-get"
  # policy-rc.d: the packages must not start services of their own.
  local policy=/usr/sbin/policy-rc.d
  [ -e $policy ] || { printf '#!/bin/sh\nexit 101\n' >$policy; chmod +x $policy; trap "rm -f $policy" RETURN; }
  { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=60 install -y \
      --no-install-recommends "${packages[@]}"; } >"$folder/apt.out" 2>&1 ||
    { tail -n 5 "$folder/apt.out" >&2; cannot "the Slurm packages cannot be installed"; }
}

configure() {
  local host; host=$(uname -n | cut -d. -f1)
  cat >"$SLURM_CONF" <<END
ClusterName=redpen
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket,cred_expire=5
StateSaveLocation=$folder/controller
SlurmdSpoolDir=$folder/%n
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/%n.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/%n.log
MailProg=/bin/true
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
# Jobs start at once; finished ones are remembered longer than the plugin waits between two looks.
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0,bf_interval=5
MinJobAge=300
KillWait=15
# A node that is silent for this long is lost: its jobs queue again.
SlurmdTimeout=10
ReturnToService=2
# A job in urgent takes the GPU of one in test, which is told (SIGTERM), has GraceTime to end, and queues again.
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
# The node claims more than there is, so that GPUs alone decide how many jobs run.
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
DefMemPerCPU=500
GresTypes=gpu
NodeName=${nodes[0]} NodeHostname=$host NodeAddr=127.0.0.1 Port=6821 CPUs=64 RealMemory=1000000 Gres=gpu:1
NodeName=${nodes[1]} NodeHostname=$host NodeAddr=127.0.0.1 Port=6822 CPUs=64 RealMemory=1000000 Gres=gpu:1
PartitionName=test Nodes=ALL Default=YES State=UP PriorityTier=1 GraceTime=20
PartitionName=urgent Nodes=ALL State=UP PriorityTier=2 PreemptMode=OFF
END
  # Slurm wants a device for each GPU, and never opens it.
  printf 'NodeName=%s Name=gpu File=%s\n' "${nodes[0]}" /dev/null "${nodes[1]}" /dev/zero >"$folder/gres.conf"
}

up() {
  [ "$(id -u)" = 0 ] || cannot "only root can install and start Slurm"
  mkdir -p "$folder/controller" "${nodes[@]/#/$folder/}"; chmod 755 "$folder"
  exec 9>"$folder/lock"; flock 9
  ! is_up || { status; return; }
  [ ! -e $default_conf ] || [ "$(readlink $default_conf)" = "$SLURM_CONF" ] ||
    cannot "$default_conf belongs to another cluster: it is left alone"
  stop
  install_packages 9>&-
  configure
  mkdir -p "${default_conf%/*}"; ln -sfn "$SLURM_CONF" $default_conf
  [ -s "$folder/munge.key" ] || (umask 077; head -c 128 /dev/urandom >"$folder/munge.key")
  munged --key-file="$folder/munge.key" --socket="$folder/munge.socket" --pid-file="$folder/munged.pid" \
    --log-file="$folder/munged.log" --seed-file="$folder/munged.seed" 9>&-
  controller -c
  local name; for name in "${nodes[@]}"; do node "$name" -c; done
  await "a node does not get ready" ready
  timeout 20 srun --quiet --chdir=/ --nodes=${#nodes[@]} --gres=gpu:1 --time=1 true || fail "a first job does not run"
  status
}

controller() {  # also called by tests, after they killed it
  slurmctld "$@" 9>&-
  await "the controller does not answer" timeout 5 sinfo
}

node() {  # NAME: also called by tests, after they killed it
  slurmd -N "$@" 9>&-
}

stop() {
  local daemon
  if is_up; then
    squeue --noheader --format=%A | xargs --no-run-if-empty scancel
    timeout 20 bash -c 'while [ -n "$(squeue --noheader)" ]; do sleep 0.2; done' || echo "a job did not end" >&2
  fi
  for daemon in "${nodes[@]}" slurmctld munged; do
    gone $daemon || { kill "$(pid $daemon)"; await "$daemon does not stop" gone $daemon; }
  done
}

down() {
  stop
  [ "$(readlink $default_conf)" != "$SLURM_CONF" ] || rm $default_conf
  echo down
}

status() {
  is_up || { echo down; return 1; }
  sinfo --noheader --format='up: partition %P, %D nodes with %c CPUs, %m MB, %G each'
}

case ${1:-} in
  up | down | status | controller | node) "$@" ;;
  *) fail "usage: cluster.sh up | status | down" ;;
esac
