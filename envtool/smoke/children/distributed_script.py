"""Run by torchrun in each process: a collective and the gradients of DDP, written to a file for who started it.

Arguments: the backend, the folder for the results, the seconds after which to give up.
"""

import gc
import json
import os
import sys
import threading
import time


def leave_with(parent, seconds):
    """End this process when its starter has gone or the time is over: nobody else would end it."""
    stop = time.monotonic() + seconds
    while time.monotonic() < stop and (os.name == "nt" or os.getppid() == parent):
        time.sleep(0.2)
    os._exit(75)


def network(torch):
    torch.manual_seed(13)
    model = torch.nn.Sequential(torch.nn.Linear(6, 16), torch.nn.Tanh(), torch.nn.Linear(16, 3)).double()
    return model, torch.randn(8, 6, dtype=torch.float64), torch.randn(8, 3, dtype=torch.float64)


def gradients(torch, model, inputs, targets):
    torch.nn.functional.mse_loss(model(inputs), targets).backward()
    return [parameter.grad.flatten().tolist() for parameter in model.parameters()]


def work(torch, backend):
    distributed = torch.distributed
    rank, size = distributed.get_rank(), distributed.get_world_size()
    device = "cuda:%d" % int(os.environ["LOCAL_RANK"]) if backend == "nccl" else "cpu"
    value = torch.full((4,), float(2**rank), device=device)
    distributed.all_reduce(value)
    model, inputs, targets = network(torch)
    model = model.to(device)
    wrapped = torch.nn.parallel.DistributedDataParallel(model)
    mine = slice(rank * 8 // size, (rank + 1) * 8 // size)
    found = gradients(torch, wrapped, inputs[mine].to(device), targets[mine].to(device))
    return {"rank": rank, "size": size, "device": device, "sum": value.tolist(), "gradients": found}


def main():
    backend, folder, seconds = sys.argv[1:4]
    threading.Thread(target=leave_with, args=(os.getppid(), float(seconds)), daemon=True).start()
    import torch
    import torch.distributed

    torch.set_num_threads(1)
    if backend == "nccl":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    torch.distributed.init_process_group(backend)
    result = work(torch, backend)
    # A process that still holds the model's reducer when the group goes can abort at its end: hence the order.
    gc.collect()
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()
    path = os.path.join(folder, "rank-%d.json" % result["rank"])
    with open(path + ".part", "w") as file:
        json.dump(result, file)
    os.replace(path + ".part", path)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
