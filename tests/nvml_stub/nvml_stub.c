/* A libnvidia-ml.so.1 that answers from a scenario file, named by NVML_STUB_SCENARIO. Lines of it:
 *
 *   init = 18                        nvmlInit returns that code (0 where there is no line)
 *   driver = 550.54.14               also: nvml, cuda, count
 *   gpu.0.name = Tesla T4            also: uuid, pci, cc, memory (MiB, total and used), processes (pid:MiB ...),
 *                                    graphics, mig, mig.max, mig.0.uuid, compute_mode, persistence, ecc,
 *                                    ecc_uncorrected, rows, pages_pending, utilization
 *   gpu.2.handle = 15                the GPU's handle is refused with that code
 *   gpu.*.name = Tesla T4            for every GPU that has no line of its own
 *   gpu.1.nvmlDeviceGetName = 4      one function of one GPU returns that code; without "gpu.1." for all of them
 *   gpu.3.nvmlDeviceGetName = hang   hang, crash, abort or exit instead of a code
 *   print = rubbish                  printed to stdout by every function
 *
 * A value that is missing is answered with "not supported". -DNO_nvmlDeviceGetName leaves that function out.
 */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OK = 0, UNINITIALIZED = 1, INVALID = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, TOO_SMALL = 7, VERSION = 25 };

typedef struct { int gpu; int slot; } Device; /* slot: a MIG instance, -1 for the whole GPU */
typedef struct { unsigned long long total, free, used; } Memory;
typedef struct { unsigned version; unsigned long long total, reserved, free, used; } Memory2;
typedef struct { unsigned pid; unsigned long long used; unsigned gpu_instance, compute_instance; } Process;
typedef struct { unsigned gpu, memory; } Utilization;
typedef struct {
    char legacy[16];
    unsigned domain, bus, device, id, subsystem;
    char bus_id[32];
} Pci;

static Device devices[256][9];
static int started;

static const char *line_of(const char *key) {
    static _Thread_local char value[4096];
    const char *path = getenv("NVML_STUB_SCENARIO");
    FILE *file = path ? fopen(path, "r") : NULL;
    char line[4096];
    const char *found = NULL;
    while (file && !found && fgets(line, sizeof line, file)) {
        char *equals = strstr(line, " = ");
        if (!equals) continue;
        *equals = 0;
        if (strcmp(line, key) == 0) {
            snprintf(value, sizeof value, "%s", equals + 3);
            value[strcspn(value, "\r\n")] = 0;
            found = value;
        }
    }
    if (file) fclose(file);
    return found;
}

static const char *said(const char *format, ...) {
    char key[256];
    va_list rest;
    va_start(rest, format);
    vsnprintf(key, sizeof key, format, rest);
    va_end(rest);
    return line_of(key);
}

static const char *fact(const Device *device, const char *name) {
    const char *own = said("gpu.%d.%s", device->gpu, name);
    return own ? own : said("gpu.*.%s", name);
}

static int act(const char *order) {
    if (!order) return OK;
    if (strcmp(order, "hang") == 0) for (;;) sleep(3600);
    if (strcmp(order, "crash") == 0) raise(SIGSEGV);
    if (strcmp(order, "abort") == 0) abort();
    if (strcmp(order, "exit") == 0) _exit(3);
    return atoi(order);
}

static void print_rubbish(void) {
    const char *rubbish = said("print");
    if (rubbish) { printf("%s", rubbish); fflush(stdout); }
}

/* The code that the scenario wants from this function, before it does its work. */
static int system_call_(const char *function) {
    print_rubbish();
    int code = act(said("%s", function));
    return code ? code : started ? OK : UNINITIALIZED;
}

static int device_call(const char *function, const Device *device) {
    print_rubbish();
    int code = act(fact(device, function));
    if (!code) code = act(said("%s", function));
    return code ? code : started ? OK : UNINITIALIZED;
}

static int give_text(const char *text, char *out, unsigned size) {
    if (!text) return NOT_SUPPORTED;
    if (strlen(text) >= size) return TOO_SMALL;
    strcpy(out, text);
    return OK;
}

static int give_number(const char *text, unsigned *out) {
    if (!text) return NOT_SUPPORTED;
    *out = (unsigned)strtoul(text, NULL, 10);
    return OK;
}

#define SYSTEM(name) do { int code_ = system_call_(#name); if (code_) return code_; } while (0)
#define DEVICE(name) do { int code_ = device_call(#name, device); if (code_) return code_; } while (0)

/* -- start -- */

static int start(const char *function) {
    print_rubbish();
    int code = act(said("%s", function));
    if (!code) code = act(said("init"));
    started = code == OK;
    return code;
}

#ifndef NO_nvmlInitWithFlags
int nvmlInitWithFlags(unsigned flags) { (void)flags; return start("nvmlInitWithFlags"); }
#endif
#ifndef NO_nvmlInit_v2
int nvmlInit_v2(void) { return start("nvmlInit_v2"); }
#endif
#ifndef NO_nvmlInit
int nvmlInit(void) { return start("nvmlInit"); }
#endif
int nvmlShutdown(void) { started = 0; return OK; }

#ifndef NO_nvmlErrorString
const char *nvmlErrorString(int code) {
    static char words[64];
    snprintf(words, sizeof words, "stub error %d", code);
    return words;
}
#endif

/* -- system -- */

int nvmlSystemGetNVMLVersion(char *out, unsigned size) { /* answers before the start, as the real one does */
    print_rubbish();
    return give_text(said("nvml"), out, size);
}

int nvmlSystemGetDriverVersion(char *out, unsigned size) {
    SYSTEM(nvmlSystemGetDriverVersion);
    return give_text(said("driver"), out, size);
}

#ifndef NO_nvmlSystemGetCudaDriverVersion_v2
int nvmlSystemGetCudaDriverVersion_v2(unsigned *out) {
    SYSTEM(nvmlSystemGetCudaDriverVersion_v2);
    return give_number(said("cuda"), out);
}
#endif
#ifndef NO_nvmlSystemGetCudaDriverVersion
int nvmlSystemGetCudaDriverVersion(unsigned *out) {
    SYSTEM(nvmlSystemGetCudaDriverVersion);
    return give_number(said("cuda"), out);
}
#endif

int nvmlDeviceGetCount_v2(unsigned *out) {
    SYSTEM(nvmlDeviceGetCount_v2);
    return give_number(said("count"), out);
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, Device **out) {
    SYSTEM(nvmlDeviceGetHandleByIndex_v2);
    if (index >= 256) return INVALID;
    Device *device = &devices[index][8];
    device->gpu = (int)index;
    device->slot = -1;
    *out = device;
    return act(fact(device, "handle"));
}

/* -- one GPU -- */

int nvmlDeviceGetName(Device *device, char *out, unsigned size) {
    DEVICE(nvmlDeviceGetName);
    return give_text(fact(device, "name"), out, size);
}

int nvmlDeviceGetUUID(Device *device, char *out, unsigned size) {
    char key[32];
    DEVICE(nvmlDeviceGetUUID);
    snprintf(key, sizeof key, "mig.%d.uuid", device->slot);
    return give_text(fact(device, device->slot < 0 ? "uuid" : key), out, size);
}

#ifndef NO_nvmlDeviceGetPciInfo_v3
int nvmlDeviceGetPciInfo_v3(Device *device, Pci *out) {
    DEVICE(nvmlDeviceGetPciInfo_v3);
    memset(out, 0, sizeof *out);
    return give_text(fact(device, "pci"), out->bus_id, sizeof out->bus_id);
}
#endif

int nvmlDeviceGetCudaComputeCapability(Device *device, int *major, int *minor) {
    DEVICE(nvmlDeviceGetCudaComputeCapability);
    const char *text = fact(device, "cc");
    return text && sscanf(text, "%d.%d", major, minor) == 2 ? OK : NOT_SUPPORTED;
}

static int read_memory(const Device *device, unsigned long long *total, unsigned long long *used) {
    const char *text = fact(device, "memory");
    if (!text || sscanf(text, "%llu %llu", total, used) != 2) return NOT_SUPPORTED;
    *total <<= 20;
    *used <<= 20;
    return OK;
}

int nvmlDeviceGetMemoryInfo(Device *device, Memory *out) {
    DEVICE(nvmlDeviceGetMemoryInfo);
    int code = read_memory(device, &out->total, &out->used);
    if (code) return code;
    out->used += 512ull << 20; /* version 1 counts what the driver keeps for itself */
    out->free = out->total - out->used;
    return OK;
}

#ifndef NO_nvmlDeviceGetMemoryInfo_v2
int nvmlDeviceGetMemoryInfo_v2(Device *device, Memory2 *out) {
    DEVICE(nvmlDeviceGetMemoryInfo_v2);
    if (out->version != (unsigned)(sizeof *out | 2u << 24)) return VERSION;
    int code = read_memory(device, &out->total, &out->used);
    if (code) return code;
    out->reserved = 512ull << 20;
    out->free = out->total - out->reserved - out->used;
    return OK;
}
#endif

static int read_processes(const Device *device, const char *name, unsigned *count, Process *out) {
    const char *text = fact(device, name);
    unsigned found = 0;
    for (const char *at = text ? text : ""; *at; found++) {
        char *end;
        unsigned pid = (unsigned)strtoul(at, &end, 10);
        unsigned long long used = *end == ':' && end[1] != '?' ? strtoull(end + 1, NULL, 10) << 20 : ~0ull;
        if (out && found < *count) out[found] = (Process){pid, used, ~0u, ~0u};
        at = end + strcspn(end, " ");
        at += strspn(at, " ");
    }
    unsigned room = *count;
    *count = found;
    return found > room ? TOO_SMALL : OK;
}

#define PROCESSES(function, name) \
    int function(Device *device, unsigned *count, Process *out) { \
        DEVICE(function); \
        return read_processes(device, name, count, out); \
    }
#ifndef NO_nvmlDeviceGetComputeRunningProcesses_v3
PROCESSES(nvmlDeviceGetComputeRunningProcesses_v3, "processes")
PROCESSES(nvmlDeviceGetGraphicsRunningProcesses_v3, "graphics")
#endif
#ifndef NO_nvmlDeviceGetComputeRunningProcesses_v2
PROCESSES(nvmlDeviceGetComputeRunningProcesses_v2, "processes")
PROCESSES(nvmlDeviceGetGraphicsRunningProcesses_v2, "graphics")
#endif

#define NUMBER(function, name) \
    int function(Device *device, unsigned *out) { \
        DEVICE(function); \
        return give_number(fact(device, name), out); \
    }
NUMBER(nvmlDeviceGetComputeMode, "compute_mode")
NUMBER(nvmlDeviceGetPersistenceMode, "persistence")
NUMBER(nvmlDeviceGetRetiredPagesPendingStatus, "pages_pending")
#ifndef NO_nvmlDeviceGetMigMode
NUMBER(nvmlDeviceGetMaxMigDeviceCount, "mig.max")
#endif

int nvmlDeviceGetEccMode(Device *device, unsigned *current, unsigned *pending) {
    DEVICE(nvmlDeviceGetEccMode);
    int code = give_number(fact(device, "ecc"), current);
    if (!code) *pending = *current;
    return code;
}

int nvmlDeviceGetTotalEccErrors(Device *device, int type, int counter, unsigned long long *out) {
    DEVICE(nvmlDeviceGetTotalEccErrors);
    unsigned number = 0;
    if (type != 1 || counter != 0) return INVALID;
    int code = give_number(fact(device, "ecc_uncorrected"), &number);
    *out = number;
    return code;
}

#ifndef NO_nvmlDeviceGetRemappedRows
int nvmlDeviceGetRemappedRows(Device *device, unsigned *correctable, unsigned *uncorrectable, unsigned *pending,
                              unsigned *failure) {
    DEVICE(nvmlDeviceGetRemappedRows);
    const char *text = fact(device, "rows");
    return text && sscanf(text, "%u %u %u %u", correctable, uncorrectable, pending, failure) == 4 ? OK : NOT_SUPPORTED;
}
#endif

int nvmlDeviceGetUtilizationRates(Device *device, Utilization *out) {
    DEVICE(nvmlDeviceGetUtilizationRates);
    const char *mig = fact(device, "mig");
    if (mig && mig[0] == '1') return NOT_SUPPORTED; /* as the real one */
    out->memory = 0;
    return give_number(fact(device, "utilization"), &out->gpu);
}

#ifndef NO_nvmlDeviceGetMigMode
int nvmlDeviceGetMigMode(Device *device, unsigned *current, unsigned *pending) {
    DEVICE(nvmlDeviceGetMigMode);
    int code = give_number(fact(device, "mig"), current);
    if (!code) *pending = *current;
    return code;
}

int nvmlDeviceGetMigDeviceHandleByIndex(Device *device, unsigned slot, Device **out) {
    char key[32];
    DEVICE(nvmlDeviceGetMigDeviceHandleByIndex);
    if (slot >= 8) return INVALID;
    snprintf(key, sizeof key, "mig.%u.uuid", slot);
    if (!fact(device, key)) return NOT_FOUND;
    devices[device->gpu][slot] = (Device){device->gpu, (int)slot};
    *out = &devices[device->gpu][slot];
    return OK;
}
#endif
