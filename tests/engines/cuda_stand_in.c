/* The part of the CUDA driver that the TensorRT engine uses, over the host's memory: what it is called with, what it
   gives back and whether all is freed can be tested where there is no GPU. Signatures: CUDA Driver API reference. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { SUCCESS = 0, OUT_OF_MEMORY = 2, NOT_INITIALIZED = 3, NO_DEVICE = 100, INVALID_DEVICE = 101, NO_CONTEXT = 201 };
static const size_t MEMORY_BYTES = (size_t)1 << 30;
static int initialised, retained, streams, buffers;
static void *current;
static char context_memory[1];

int stand_in_held(void) { return retained + streams + buffers; }

int cuInit(unsigned flags) { return getenv("STAND_IN_NO_GPU") ? NO_DEVICE : (initialised = 1, SUCCESS); }
int cuDriverGetVersion(int *version) { *version = 12060; return SUCCESS; }
int cuDeviceGetCount(int *count) { *count = 2; return initialised ? SUCCESS : NOT_INITIALIZED; }
int cuDeviceGet(int *device, int at) { *device = at; return at < 2 ? SUCCESS : INVALID_DEVICE; }
int cuDeviceGetName(char *name, int size, int device) { strncpy(name, device ? "Second" : "First", size); return SUCCESS; }
int cuDeviceGetAttribute(int *value, int attribute, int device) { *value = attribute == 75 ? 8 : 7; return SUCCESS; }
int cuDevicePrimaryCtxRetain(void **context, int device) { *context = context_memory; retained++; return SUCCESS; }
int cuDevicePrimaryCtxRelease_v2(int device) { retained--; return SUCCESS; }
int cuCtxSetCurrent(void *context) { current = context; return SUCCESS; }
int cuStreamCreate(void **stream, unsigned flags) { streams++; *stream = malloc(1); return current ? SUCCESS : NO_CONTEXT; }
int cuStreamSynchronize(void *stream) { return stream ? SUCCESS : NO_CONTEXT; }
int cuStreamDestroy_v2(void *stream) { streams--; free(stream); return SUCCESS; }
int cuMemAlloc_v2(uint64_t *pointer, size_t bytes) {
  if (bytes > MEMORY_BYTES) return OUT_OF_MEMORY;
  buffers++;
  *pointer = (uint64_t)(uintptr_t)malloc(bytes);
  return SUCCESS;
}
int cuMemFree_v2(uint64_t pointer) { buffers--; free((void *)(uintptr_t)pointer); return SUCCESS; }
int cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t bytes, void *stream) {
  memcpy((void *)(uintptr_t)to, from, bytes);
  return stream ? SUCCESS : NO_CONTEXT;
}
int cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t bytes, void *stream) {
  memcpy(to, (const void *)(uintptr_t)from, bytes);
  return stream ? SUCCESS : NO_CONTEXT;
}
int cuGetErrorName(int code, const char **name) {
  *name = code == OUT_OF_MEMORY ? "CUDA_ERROR_OUT_OF_MEMORY" : code == NO_DEVICE ? "CUDA_ERROR_NO_DEVICE" : "CUDA_ERROR";
  return SUCCESS;
}
