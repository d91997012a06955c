# SPDX-License-Identifier: GPL-2.0-or-later
"""What crosses a node's cable: all frames, as anybody in the middle would see them."""

import json
import subprocess

# Runs in the node. Between two reads the frames wait in the socket's buffer; what did not find room there is counted as lost.
_SNIFFER = r"""
import json, select, socket, struct, sys
word = sys.argv[1].encode()
sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
sock.setsockopt(socket.SOL_SOCKET, 33, 256 << 20)  # SO_RCVBUFFORCE
sock.bind(("eth0", 0))
sock.setblocking(False)
print("listening", flush=True)
pairs, seen, ending = {}, 0, False
while True:
    # At the end, until the buffer is empty for a moment: the cable never is, as corosync talks on it.
    ready = select.select([sock, *([] if ending else [sys.stdin])], [], [], 0 if ending else None)[0]
    if sock in ready:
        frame = sock.recv(1 << 17)
        header = 14 + (frame[14] & 15) * 4
        if frame[12:14] == b"\x08\x00" and frame[23] == 6:
            data = frame[header + (frame[header + 12] >> 4) * 4:]
            pair = "%d %d" % struct.unpack_from("!HH", frame, header)
            pairs[pair] = pairs.get(pair, 0) + len(data)
        seen += word in frame
    elif ending:
        break
    elif ready:
        ending = True
lost = struct.unpack("II", sock.getsockopt(263, 6, 8))[1]  # SOL_PACKET, PACKET_STATISTICS
print(json.dumps({"seen": seen, "lost": lost, "pairs": pairs}))
"""

STREAM_PORTS = set(range(49152, 49216))  # where QEMU receives a VM: libvirt's default
LIBVIRT_PORTS = {16509, 16514}  # a client of libvirt may have a port of the range above


class Capture:
    """A context: what a node's cable carries meanwhile. Afterwards: seen (frames with the word in them), lost (frames), and
    stream_bytes (of the streams between QEMUs)."""

    def __init__(self, lab, node, word):
        self.process = lab.popen(node, ["python3", "-c", _SNIFFER, word], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.seen = self.lost = self.stream_bytes = None

    def __enter__(self):
        line = self.process.stdout.readline()
        assert line == "listening\n", line
        return self

    def __exit__(self, *_):
        said, _ = self.process.communicate(timeout=30)
        found = json.loads(said)
        self.seen, self.lost = found["seen"], found["lost"]
        ends = [(set(map(int, pair.split())), size) for pair, size in found["pairs"].items()]
        self.stream_bytes = sum(size for ports, size in ends if ports & STREAM_PORTS and not ports & LIBVIRT_PORTS)
