/* A libcuda.so.1 that answers as it is told: CUDA_STUB_INIT is what cuInit returns (0 where it is not set), or "hang"
 * or "crash"; CUDA_STUB_COUNT is the number of GPUs (1). As the real one does, it hides them all where
 * CUDA_VISIBLE_DEVICES is empty. CUDA_STUB_PRINT is printed to stdout first.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int cuInit(unsigned flags) {
    const char *told = getenv("CUDA_STUB_INIT"), *words = getenv("CUDA_STUB_PRINT");
    const char *visible = getenv("CUDA_VISIBLE_DEVICES");
    (void)flags;
    if (words) { puts(words); fflush(stdout); }
    if (told && strcmp(told, "hang") == 0) for (;;) pause();
    if (told && strcmp(told, "crash") == 0) raise(SIGSEGV);
    if (told) return atoi(told);
    return visible && !*visible ? 100 : 0;
}

int cuDeviceGetCount(int *count) {
    const char *told = getenv("CUDA_STUB_COUNT");
    if (told && strcmp(told, "crash") == 0) raise(SIGSEGV);
    *count = told ? atoi(told) : 1;
    return 0;
}
