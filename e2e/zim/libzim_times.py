"""Times opening and reading with python libzim; the other side is crates/zim/examples/zimtime.rs, which
says what is done and printed.  usage: libzim_times.py warm|cold FILE PATHS"""
import json
import os
import sys
import time

from libzim.reader import Archive

now = time.perf_counter_ns


def opened(file, times):
    begun = now()
    archive = Archive(file)
    times.append(now() - begun)
    return archive


def read_all(archive, paths, times):
    total = 0
    for path in paths:
        begun = now()
        total += len(bytes(archive.get_entry_by_path(path).get_item().content))
        times.append(now() - begun)
    return total


def resident():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon:"))


def drop_pages(file):
    handle = os.open(file, os.O_RDONLY)
    os.fsync(handle)
    os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(handle)


def main():
    how, file, paths = sys.argv[1:]
    paths = open(paths).read().splitlines()
    times = {"open": [], "random": []}
    if how == "cold":
        drop_pages(file)
        read_all(opened(file, times["open"]), paths[:300], times["random"])
    else:
        times |= {"lookup": [], "again": [], "repeated": []}
        for _ in range(30):
            opened(file, times["open"])
        archive = Archive(file)
        for path in paths:
            begun = now()
            archive.get_entry_by_path(path)
            times["lookup"].append(now() - begun)
        archive = Archive(file)
        times["bytes"] = read_all(archive, paths, times["random"])
        read_all(archive, paths, times["again"])
        read_all(archive, paths[:1] * 500, times["repeated"])
        times["resident"] = resident()
    print(json.dumps(times))


if __name__ == "__main__":
    main()
