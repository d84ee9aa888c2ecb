"""What attackers do: raw TCP connections that speak ZMTP 3.0 as far as they please.

Each attack takes the ports for requests, events and heartbeats, and goes on until its process ends.
"""

import os
import socket
import struct
import threading
import time

MORE, LONG, COMMAND = 1, 2, 4
PATIENCE_SECONDS = 2

# Who is cut off is told late, or not at all. Who waits for so long and no longer comes again at once.
IMPATIENCE_SECONDS = 0.1


def connect(port):
    connection = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def read(connection, length):
    read = b""
    while len(read) < length:
        more = connection.recv(length - len(read))
        if not more:
            raise ConnectionError("the registry hung up")
        read += more
    return read


def shake_hands(port, socket_type, patience=PATIENCE_SECONDS):
    connection = connect(port)
    greeting = bytearray(64)
    greeting[0], greeting[9], greeting[10] = 0xFF, 0x7F, 3
    greeting[12:16] = b"NULL"
    name = socket_type.encode()
    ready = b"\x05READY\x0bSocket-Type" + struct.pack(">I", len(name)) + name
    connection.sendall(bytes(greeting) + bytes([COMMAND, len(ready)]) + ready)
    read(connection, 64)
    read(connection, read(connection, 2)[1])
    connection.settimeout(patience)
    return connection


def frame(body, more=False):
    flags = MORE if more else 0
    if len(body) < 256:
        return bytes([flags, len(body)]) + body
    return bytes([flags | LONG]) + struct.pack(">Q", len(body)) + body


def request(body):
    return frame(b"REQ", more=True) + frame(body)


def send_for_ever(connect_anew, data):
    """Sends as fast as it is taken, and connects again whenever it is cut off."""
    while True:
        try:
            connection = connect_anew()
            while True:
                connection.sendall(data)
        except OSError:
            time.sleep(0.01)


def visits_for_ever(ports, greeting, per_second=None):
    """Connects, says what `greeting` gives, and hangs up, again and again."""
    due = time.monotonic()
    number = 0
    while True:
        number += 1
        if per_second:
            due += 1 / per_second
            time.sleep(max(0, due - time.monotonic()))
        try:
            with connect(ports[number % 3]) as connection:
                connection.sendall(greeting())
        except OSError:
            pass


def unread_lists(ports):
    connection = shake_hands(ports[0], "DEALER")
    try:
        for _ in range(10_000):
            connection.sendall(request(b'{"action": "list"}'))
    except OSError:
        pass
    time.sleep(3_600)


def unread_events(ports):
    connection = shake_hands(ports[1], "SUB")
    connection.sendall(frame(b"\x01"))
    time.sleep(3_600)


def silence(ports):
    crowd = [connect(ports[number % 3]) for number in range(600)]
    while crowd:
        time.sleep(3)
        crowd = [connect(ports[number % 3]) for number in range(600)]


def some_visitors(ports):
    visits_for_ever(ports, bytes, per_second=500)


def visitors(ports):
    visits_for_ever(ports, bytes)


def some_noise(ports):
    visits_for_ever(ports, lambda: os.urandom(1_000), per_second=500)


def noise(ports):
    visits_for_ever(ports, lambda: os.urandom(1_000))


def endless_message(ports, patience=PATIENCE_SECONDS):
    frames = frame(bytes(64_000), more=True) * 16
    send_for_ever(lambda: shake_hands(ports[0], "DEALER", patience), frames)


def endless_messages(ports, patience=PATIENCE_SECONDS):
    for _ in range(8):
        threading.Thread(target=endless_message, args=(ports, patience), daemon=True).start()
    time.sleep(3_600)


def endless_empty_frames(ports, patience=PATIENCE_SECONDS):
    frames = frame(b"", more=True) * 65_536
    send_for_ever(lambda: shake_hands(ports[2], "DEALER", patience), frames)


def endless_message_again(ports):
    endless_message(ports, IMPATIENCE_SECONDS)


def endless_messages_again(ports):
    endless_messages(ports, IMPATIENCE_SECONDS)


def endless_empty_frames_again(ports):
    endless_empty_frames(ports, IMPATIENCE_SECONDS)


def flood(ports):
    send_for_ever(lambda: shake_hands(ports[0], "DEALER"), request(b'{"action": "health"}') * 1_000)


def large_flood(ports):
    body = b'{"action": "health", "x": "' + b"x" * 120_000 + b'"}'
    send_for_ever(lambda: shake_hands(ports[0], "DEALER"), request(body) * 8)


ATTACKS = {
    "none": None,
    "`list` of 10,000 services, 10,000 times, never read": unread_lists,
    "a subscriber that never reads": unread_events,
    "600 connections that say nothing": silence,
    "500 connections opened and dropped in a second": some_visitors,
    "500 connections with random bytes in a second": some_noise,
    "a message that never ends, of 64 kB frames": endless_message,
    "8 messages at once that never end, of 64 kB frames": endless_messages,
    "a message that never ends, of empty frames": endless_empty_frames,
    "one of 64 kB frames that comes again at once": endless_message_again,
    "8 of 64 kB frames that come again at once": endless_messages_again,
    "one of empty frames that comes again at once": endless_empty_frames_again,
    "`health` without a pause, never read": flood,
    "requests of 120 kB without a pause, never read": large_flood,
    "connections with random bytes, without a pause": noise,
    "connections opened and dropped, without a pause": visitors,
}

# What does nothing to a program that has no events and answers everything with 300 bytes, or takes
# all the memory of one that nobody guards.
NOT_ON_ECHO = {
    unread_lists,
    unread_events,
    endless_message,
    endless_messages,
    endless_empty_frames,
    endless_message_again,
    endless_messages_again,
    endless_empty_frames_again,
}
