#!/usr/bin/env bash
# Two peers behind routers of their own and a relay on the open network, as network
# namespaces of this machine: runs the test of package p2p that one reaches the
# other, first by the relay and then by a punched hole. Needs root, iproute2 and
# iptables.
set -euo pipefail
cd "$(dirname "$0")/.."
for tool in ip iptables; do
  command -v "$tool" >/dev/null || { echo "nat.sh: $tool is missing: apt-get install iproute2 iptables" >&2; exit 1; }
done
[ "$(id -u)" = 0 ] || { echo "nat.sh: making network namespaces needs root" >&2; exit 1; }

spaces="net relay home-a home-b a b"
clean() { for s in $spaces; do ip netns del "koinon-$s" 2>/dev/null || true; done; }
trap clean EXIT
clean
for s in $spaces; do
  ip netns add "koinon-$s"
  ip -n "koinon-$s" link set lo up
done

# wire A B NAME: a cable between two namespaces, called by the other's name at each end.
wire() {
  ip link add name "$2" netns "koinon-$1" type veth peer name "$1" netns "koinon-$2"
  ip -n "koinon-$1" link set dev "$2" up
  ip -n "koinon-$2" link set dev "$1" up
}

# The open network: a switch. Its addresses are routable ones, as hole punching
# leaves out others, and exist in these namespaces alone.
ip -n koinon-net link add switch type bridge
ip -n koinon-net link set switch up
for s in relay home-a home-b; do
  wire net "$s"
  ip -n koinon-net link set dev "$s" master switch
done
ip -n koinon-relay addr add 45.10.0.1/24 dev net
# A router each, which lets nobody in who was not asked, as those at home do: it
# does not even answer. (One that did would remember who called, and give the port
# that the caller was told to nobody else.)
side=1
for s in a b; do
  wire "home-$s" "$s"
  side=$((side + 1))
  ip -n "koinon-home-$s" addr add "45.10.0.$side/24" dev net
  ip -n "koinon-home-$s" addr add "10.$side.0.1/24" dev "$s"
  ip -n "koinon-$s" addr add "10.$side.0.2/24" dev "home-$s"
  ip -n "koinon-$s" route add default via "10.$side.0.1"
  ip netns exec "koinon-home-$s" sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward'
  ip netns exec "koinon-home-$s" iptables -t nat -A POSTROUTING -o net -j MASQUERADE
  ip netns exec "koinon-home-$s" iptables -A INPUT -i net -j DROP
  ip netns exec "koinon-home-$s" iptables -P FORWARD DROP
  ip netns exec "koinon-home-$s" iptables -A FORWARD -i "$s" -o net -j ACCEPT
  ip netns exec "koinon-home-$s" iptables -A FORWARD -i net -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
done

test=$(mktemp -d)/p2p.test
GOEXPERIMENT=simd ${GO:-go} test -c -o "$test" ./internal/p2p
KOINON_NAT=1 "$test" -test.run '^TestBehindRouters$' -test.v -test.timeout 3m
