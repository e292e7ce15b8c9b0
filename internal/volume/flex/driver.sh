#!/bin/sh
# Mainstay's FlexVolume driver, which kubelet runs. Mainstay writes this file anew
# when it starts.

# Asked at every start, several times: worth no start of the program.
if [ "$1" = init ]; then
	printf '%s\n' {{quote .Init}}
	exit
fi
if ! [ -x {{quote .Program}} ]; then
	printf '%s\n' {{quote .Moved}}
	exit
fi
exec {{quote .Program}}{{range .Arguments}} {{quote .}}{{end}} "$@" 2>>{{quote .ErrorLog}}
