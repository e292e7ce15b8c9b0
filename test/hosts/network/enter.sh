#!/bin/sh
# Runs a program on host {{.Name}}: enter PROGRAM [ARGUMENT...]. Without one, a shell.
for group in {{range .Groups}}'{{.}}' {{end}}; do
  echo $$ >"$group/cgroup.procs" || exit 1
done
exec nsenter --net='/run/netns/{{.Name}}' --mount='{{.Namespaces}}/mount' --cgroup='{{.Namespaces}}/cgroup' \
  --uts='{{.Namespaces}}/uts' --wdns="$PWD" -- "${@:-${SHELL:-/bin/sh}}"
