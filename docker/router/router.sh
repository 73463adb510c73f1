#!/bin/sh
# A plain router: forwards IPv4 between its networks, translates nothing. Needs NET_ADMIN and net.ipv4.ip_forward=1.
#   ADDRESSES  what to own besides the addresses Docker gave, as "address/prefix ...": the gateway addresses of its networks,
#              which Docker hands to the hosts there but does not let a container have
#   ROUTES     "subnet=next-hop ...": the networks beyond the next router
set -eu

interface_with() {
    ip -o -4 address show to "$1" | awk '{ print $2; exit }'
}

ip route del default 2>/dev/null || true
for address in ${ADDRESSES:-}; do
    interface=$(interface_with "${address%.*}.0/${address#*/}")
    [ -n "$interface" ] || { echo "router: no interface in the network of $address" >&2; exit 1; }
    ip address add "$address" dev "$interface"
done
for route in ${ROUTES:-}; do
    ip route add "${route%=*}" via "${route#*=}"
done
[ "$(cat /proc/sys/net/ipv4/ip_forward)" = 1 ] || { echo "router: net.ipv4.ip_forward is not 1" >&2; exit 1; }
echo "router: up"
ip -o -4 address show
ip -4 route show
exec sleep infinity
