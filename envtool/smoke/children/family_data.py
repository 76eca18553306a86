"""A DataLoader with worker processes: the order, the random numbers, the shared memory that batches travel through.

The classes are plain and at the top of a module that can be imported: where workers are started by ``spawn`` (macOS,
Windows) or ``forkserver`` (Linux from Python 3.14), a fresh interpreter unpickles them.
"""

import multiprocessing
import os
import signal

from harness import Failure, Test, expect

WORKERS = 2
IMAGE = (3, 224, 224)
BATCH = 64  # images: 37 MiB in float32
SHARED = "/dev/shm"
PATIENCE = 60  # seconds for one batch: under spawn the workers import torch first


class Numbers:
    """Sixty-four numbers; each comes with a random one of the worker, as an augmentation would draw it."""

    def __len__(self):
        return 64

    def __getitem__(self, index):
        import torch

        return index, torch.randint(1 << 30, ()).item()


class Images:
    """Whole batches of the size that the lecture's networks take, each filled with its own number."""

    def __len__(self):
        return 2 * WORKERS

    def __getitem__(self, index):
        import torch

        return torch.full((BATCH,) + IMAGE, float(index))


def first(batch):
    """What to do with a list of one ready batch; at the top of the module, for pickle."""
    return batch[0]


def epoch(torch, workers, seed):
    """The numbers in the order of one epoch, and what the workers drew."""
    loader = torch.utils.data.DataLoader(
        Numbers(),
        batch_size=8,
        shuffle=True,
        num_workers=workers,
        generator=torch.Generator().manual_seed(seed),
        timeout=PATIENCE if workers else 0,
    )
    order, drawn = [], []
    for indices, numbers in told(loader):
        order += indices.tolist()
        drawn += numbers.tolist()
    return order, drawn


def told(loader):
    """The loader's batches; where it fails, its error also says which signals have ended its workers.

    torch tells the signal only if its handler comes before somebody else asks how the worker ended.
    """
    batches = iter(loader)
    try:
        for batch in batches:
            yield batch
    except (RuntimeError, OSError) as error:
        error.ended_by = [-worker.exitcode for worker in getattr(batches, "_workers", ()) if (worker.exitcode or 0) < 0]
        raise


def said_by_workers(error):
    """The failure in words, from what the loader raised."""
    text = " ".join(("%s %s" % (error.__cause__ or "", error)).split())  # the signal's name is in the cause
    bus_error = getattr(signal, "SIGBUS", None) in getattr(error, "ended_by", ())
    if bus_error or "Bus error" in text or "shared memory" in text or "shm" in text:
        return Failure("the workers have too little shared memory (%s): %s" % (SHARED, text[:300]))
    return Failure("a DataLoader with %d workers fails: %s: %s" % (WORKERS, type(error).__name__, text[:300]))


def keeps_the_order(context):
    torch = context.torch
    context.evidence["start_method"] = multiprocessing.get_start_method()
    context.evidence["workers"] = WORKERS
    alone, _ = epoch(torch, 0, 7)
    try:
        order, drawn = epoch(torch, WORKERS, 7)
        again, drawn_again = epoch(torch, WORKERS, 7)
    except (RuntimeError, OSError) as error:
        raise said_by_workers(error)
    expect(sorted(order) == list(range(64)), "one epoch with workers gave %d numbers, not each of 64 once" % len(order))
    expect(order != sorted(order), "shuffle=True left the numbers in their order")
    expect(order == again, "the same seed gave two orders with %d workers" % WORKERS)
    expect(order == alone, "the same seed gives another order with %d workers than without" % WORKERS)
    expect(drawn == drawn_again, "the same seed gave the workers other random numbers in the second run")
    expect(len(set(drawn)) > 60, "the workers drew the same random numbers: %d different ones of 64" % len(set(drawn)))
    return "%d workers (%s) keep the seed's order and random numbers" % (WORKERS, context.evidence["start_method"])


def room():
    """Total and free bytes of the shared memory; None where the system doesn't have it as a folder."""
    try:
        found = os.statvfs(SHARED)
    except (OSError, AttributeError):
        return None
    return found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize


def shared_memory(context):
    torch = context.torch
    context.evidence["strategy"] = torch.multiprocessing.get_sharing_strategy()
    batches = len(Images())
    need = batches * BATCH * IMAGE[0] * IMAGE[1] * IMAGE[2] * 4
    found = room()
    context.evidence["needed_mib"] = need >> 20
    if found is not None:
        context.evidence["total_mib"], context.evidence["free_mib"] = found[0] >> 20, found[1] >> 20
        if found[1] < need:
            raise Failure(
                "%s has %d MiB free of %d; %d workers with batches of %d images need %d"
                % (SHARED, found[1] >> 20, found[0] >> 20, WORKERS, BATCH, need >> 20)
            )
    kept = []
    try:
        loader = torch.utils.data.DataLoader(Images(), num_workers=WORKERS, collate_fn=first, timeout=PATIENCE)
        for batch in told(loader):
            kept.append(batch)  # all of them at once, as prefetching keeps them
    except (RuntimeError, OSError) as error:
        left = room()  # a worker that found it full may have said so on its stderr alone
        if left is not None and left[1] < need - len(kept) * (need // batches):
            raise Failure(
                "%s has become too small: %d MiB free, and %d batches came of %d"
                % (SHARED, left[1] >> 20, len(kept), batches)
            )
        raise said_by_workers(error)
    expect(len(kept) == batches, "%d batches were sent and %d came" % (batches, len(kept)))
    for number, batch in enumerate(kept):
        expect(batch.is_shared(), "batch %d did not come through shared memory" % number)
        ends = batch[0, 0, 0, 0].item(), batch[-1, -1, -1, -1].item()
        expect(ends == (number, number), "batch %d came with other numbers: %s" % (number, ends))
    return "%d MiB went through shared memory" % (need >> 20)


TESTS = (
    Test(
        code="data-order",
        family="data",
        sentence="A DataLoader with workers gives the same order for the same seed.",
        mend="Use num_workers=0 until it works; in a script, start from `if __name__ == '__main__':`.",
        run=keeps_the_order,
        limit=150.0,
    ),
    Test(
        code="data-shared-memory",
        family="data",
        sentence="Workers hand their batches over in shared memory.",
        mend="In a container: `docker run --shm-size=8g` (or --ipc=host). Without control over it: num_workers=0.",
        run=shared_memory,
        limit=150.0,
        fresh=True,
    ),
)
