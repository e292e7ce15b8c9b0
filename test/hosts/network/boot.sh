# Makes the namespaces of host {{.Name}}. Runs on the machine.
set -eu

# The cgroup namespace begins where its first process is: the host's cgroup is the
# root that its programs see, so that they cannot make any outside.
for group in {{range .Groups}}'{{.}}' {{end}}; do
  echo $$ >"${group%/session}/cgroup.procs"
done

exec nsenter --net='/run/netns/{{.Name}}' \
  unshare --mount='{{.Namespaces}}/mount' --cgroup='{{.Namespaces}}/cgroup' --uts='{{.Namespaces}}/uts' --propagation private \
  sh -eu <<'HOST'
hostname '{{.Name}}'

# The namespace begins as a copy of the machine's mounts. Those of other hosts would
# live as long as this one: containers, disks, volumes, namespaces.
tac /proc/self/mountinfo | while read -r _ _ _ _ mountpoint options; do
  fields=${options##* - }
  type=${fields%% *} source=${fields#* }
  case $mountpoint in / | '{{.DataDir}}') continue ;; esac
  case $type:$source:$mountpoint in
  nsfs:* | overlay:* | fuse*:* | *:/dev/loop* | *:/run/*) umount --lazy "$mountpoint" ;;
  esac
done
mount -t tmpfs -o mode=755 tmpfs /run

# A host sees its own network devices, and its own cgroups.
umount --recursive --lazy /sys
mount -t sysfs sysfs /sys
{{- if .V1}}
mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup
{{- range .V1}}
mkdir -p '{{.Mountpoint}}'
mount -t cgroup -o '{{.Options}}' cgroup '{{.Mountpoint}}'
{{- end}}
mkdir -p '{{.V2}}'
{{- end}}
mount -t cgroup2 cgroup2 '{{.V2}}'
HOST
