#!/usr/bin/env bash
# A one-node Slurm cluster with two pretended GPUs on this machine, for tests: `cluster.sh up | status | down`.
# munged, slurmctld and slurmd run as plain daemons, without systemd and cgroups. Needs root and Debian packages.
set -euo pipefail

folder=${REDPEN_TEST_CLUSTER:-/tmp/redpen-slurm}
export SLURM_CONF=$folder/slurm.conf
# A job's inner srun drops SLURM_CONF and looks here, so this becomes a link to ours.
default_conf=/etc/slurm/slurm.conf

fail() { echo "cluster.sh: $*" >&2; exit 1; }
cannot() { echo "cluster.sh: $*" >&2; exit 3; }  # not on this machine: tests are skipped

pid() {  # DAEMON: its process id, where the pid file names a living process of that name
  local id; id=$(cat "$folder/$1.pid" 2>/dev/null) || return 1
  [ "$(cat "/proc/$id/comm" 2>/dev/null)" = "$1" ] && [ -e "/proc/$id/exe" ] && echo "$id"
}
gone() { ! pid "$1" >/dev/null; }
ready() { timeout 5 sinfo --noheader --format=%t 2>/dev/null | grep -qE '^(idle|mix|alloc|comp)$'; }
is_up() { pid munged >/dev/null && pid slurmctld >/dev/null && pid slurmd >/dev/null && ready; }

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
AuthInfo=socket=$folder/munge.socket
StateSaveLocation=$folder/controller
SlurmdSpoolDir=$folder/node
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
MailProg=/bin/true
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
# Jobs start at once; finished ones are remembered longer than the plugin waits between two looks.
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0,bf_interval=5
MinJobAge=300
KillWait=15
ReturnToService=2
# The node claims more than there is, so that GPUs alone decide how many jobs run.
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
DefMemPerCPU=500
GresTypes=gpu
NodeName=node1 NodeHostname=$host NodeAddr=127.0.0.1 CPUs=64 RealMemory=1000000 Gres=gpu:2
PartitionName=test Nodes=node1 Default=YES State=UP
END
  # Slurm wants a device for each GPU, and never opens it.
  printf 'NodeName=node1 Name=gpu File=%s\n' /dev/null /dev/zero >"$folder/gres.conf"
}

up() {
  [ "$(id -u)" = 0 ] || cannot "only root can install and start Slurm"
  mkdir -p "$folder"/{controller,node}; chmod 755 "$folder"
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
  slurmd -c 9>&-
  await "the node does not get ready" ready
  timeout 20 srun --quiet --chdir=/ --gres=gpu:1 --time=1 true || fail "a first job does not run"
  status
}

controller() {  # also called by tests, after they killed it
  slurmctld "$@" 9>&-
  await "the controller does not answer" timeout 5 sinfo
}

stop() {
  local daemon
  if is_up; then
    squeue --noheader --format=%A | xargs --no-run-if-empty scancel
    timeout 20 bash -c 'while [ -n "$(squeue --noheader)" ]; do sleep 0.2; done' || echo "a job did not end" >&2
  fi
  for daemon in slurmd slurmctld munged; do
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
  sinfo --noheader --format='up: partition %P, %c CPUs, %m MB, %G'
}

case ${1:-} in
  up | down | status | controller) "$@" ;;
  *) fail "usage: cluster.sh up | status | down" ;;
esac
