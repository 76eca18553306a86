/* A libcuda.so.1 that can say why CUDA does not start, and no more: cuInit's code and the version of the driver.
 *
 *   CUDA_STUB_INIT      what cuInit returns (0 where it is not set)
 *   CUDA_STUB_VERSION   what cuDriverGetVersion says (12040 for 12.4)
 */
#include <stdlib.h>
#include <string.h>

static int number(const char *name, int otherwise) {
    const char *text = getenv(name);
    return text ? atoi(text) : otherwise;
}

int cuInit(unsigned flags) { (void)flags; return number("CUDA_STUB_INIT", 0); }

int cuDriverGetVersion(int *version) { *version = number("CUDA_STUB_VERSION", 12040); return 0; }

static int not_supported(void) { return 801; }

int cuGetProcAddress_v2(const char *symbol, void **found, int version, unsigned long long flags, int *status);

int cuGetProcAddress(const char *symbol, void **found, int version, unsigned long long flags) {
    (void)version;
    (void)flags;
    *found = !strcmp(symbol, "cuInit")               ? (void *)cuInit
             : !strcmp(symbol, "cuDriverGetVersion") ? (void *)cuDriverGetVersion
             : !strcmp(symbol, "cuGetProcAddress")   ? (void *)cuGetProcAddress_v2
                                                     : (void *)not_supported;
    return 0;
}

int cuGetProcAddress_v2(const char *symbol, void **found, int version, unsigned long long flags, int *status) {
    if (status) *status = 0;
    return cuGetProcAddress(symbol, found, version, flags);
}
