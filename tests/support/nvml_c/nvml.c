/*
 * A small NVML in C, for the tests: what a libnvidia-ml.so.1 that is not ours may look like to the collector.
 *
 * One source, several libraries: the build defines one of the macros below, because which symbols a library has is
 * settled when it is linked. Structures are those of NVIDIA's public API, as its Python binding lays them out.
 *
 *   FULL      a Hopper driver: samples, metrics, fields, a fabric that ends at the node, processes; two GPUs
 *   MIG       the same, in MIG mode, with two instances on the first GPU
 *   SWITCHED  the same; it is loaded only while the file named by NVML_C_SWITCH is there
 *   MINIMAL   what people write first: a dozen functions, the rest is not there, nvmlInitWithFlags neither
 *   OLD       the first version of everything: no name ends in _v2 or _v3
 *   STUBS     names, and for everything else success without an answer
 *   REFUSING  every function is there, and few of them are supported
 *   ODD       wrong in every way that does not crash
 *   TWINS     two GPUs under one UUID, without addresses, each with a process; it says success when asked how many
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SUCCESS = 0, UNINITIALIZED = 1, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, TOO_SMALL = 7,
       NOT_LOADED = 9, UNKNOWN = 999 };
enum { TYPE_DOUBLE = 0, TYPE_UINT = 1, TYPE_ULL = 3 };

typedef unsigned int uint;
typedef unsigned long long ull;
typedef struct device { int index, instance; } *handle;
typedef union { double d; uint u; unsigned long ul; ull ull_; long long sll; int si; unsigned short us; } value;
typedef struct { char legacy[16]; uint domain, bus, device, id, subsystem; char bus_id[32]; } pci;
typedef struct { ull total, free, used; } memory;
typedef struct { uint gpu, memory; } rates;
typedef struct { ull stamp; value value; } sample;
typedef struct { uint field, scope; long long stamp, latency; uint type, code; value value; } field;
typedef struct { uint metric, code; double value; char *names[3]; } metric;
typedef struct { uint version, count; ull *sample1, *sample2; metric metrics[477]; } metrics;
typedef struct { uint version, supported; } support;
typedef struct { uint version; unsigned char cluster[16]; uint status, clique, state, health; } fabric;
typedef struct { uint sms, copy, decoders, encoders, jpeg, ofa, slices, compute_slices; ull memory_mb; } attributes;
typedef struct { uint pid; ull used; uint gi, ci; } process;
typedef struct { uint pid; ull stamp; uint sm, mem, enc, dec; } process_sample;

#define SHARED __attribute__((unused)) static

SHARED ull now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (ull)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* The two cards, and two instances on the first. */
SHARED struct device cards[2] = {{0, -1}, {1, -1}}, parts[2] = {{0, 0}, {0, 1}};

SHARED int put(char *buffer, uint size, const char *text) {
    if (strlen(text) >= size) return TOO_SMALL;
    strcpy(buffer, text);
    return SUCCESS;
}

#if defined(FULL) || defined(MIG) || defined(SWITCHED)

static int initialised;

static int loaded(void) {
#ifdef SWITCHED
    const char *path = getenv("NVML_C_SWITCH");
    return path && access(path, F_OK) == 0;
#else
    return 1;
#endif
}

static int trouble(void) { return initialised && loaded() ? SUCCESS : UNINITIALIZED; }
#define READY do { if (trouble()) return UNINITIALIZED; } while (0)
#define CARD_ONLY do { READY; if (d->instance >= 0) return NOT_SUPPORTED; } while (0)

int nvmlInitWithFlags(uint flags) { (void)flags; return loaded() ? (initialised++, SUCCESS) : NOT_LOADED; }
int nvmlShutdown(void) { READY; initialised--; return SUCCESS; }
int nvmlSystemGetDriverVersion(char *buffer, uint size) { READY; return put(buffer, size, "570.86.15"); }
int nvmlDeviceGetCount_v2(uint *count) { READY; *count = 2; return SUCCESS; }
int nvmlDeviceGetHandleByIndex_v2(uint index, handle *d) {
    READY;
    if (index > 1) return INVALID_ARGUMENT;
    *d = &cards[index];
    return SUCCESS;
}
int nvmlDeviceGetUUID(handle d, char *buffer, uint size) {
    char text[96];
    READY;
    snprintf(text, sizeof text, "%s-0b1c2d3e-4f50-6172-8394-a5b6c7d8e9%d%d", d->instance < 0 ? "GPU" : "MIG", d->index,
             d->instance + 1);
    return put(buffer, size, text);
}
int nvmlDeviceGetName(handle d, char *buffer, uint size) {
    READY;
    if (d->instance < 0) return put(buffer, size, "NVIDIA H100 80GB HBM3");
    return put(buffer, size, d->instance ? "NVIDIA H100 80GB HBM3 MIG 1g.10gb" : "NVIDIA H100 80GB HBM3 MIG 3g.40gb");
}
int nvmlDeviceGetPciInfo_v3(handle d, pci *p) {
    READY;
    memset(p, 0, sizeof *p);
    snprintf(p->legacy, sizeof p->legacy, "0000:%02X:00.0", 0x1a + d->index);
    snprintf(p->bus_id, sizeof p->bus_id, "00000000:%02X:00.0", 0x1a + d->index);
    p->bus = 0x1a + d->index;
    p->id = 0x233010de;
    return SUCCESS;
}
int nvmlDeviceGetSerial(handle d, char *buffer, uint size) {
    READY;
    return put(buffer, size, d->index ? "1650000000002" : "1650000000001");
}
int nvmlDeviceGetBoardPartNumber(handle d, char *buffer, uint size) {
    CARD_ONLY;
    return put(buffer, size, "692-2G520-0200-000");
}
int nvmlDeviceGetVbiosVersion(handle d, char *buffer, uint size) {
    CARD_ONLY;
    return put(buffer, size, "96.00.74.00.01");
}
int nvmlDeviceGetMinorNumber(handle d, uint *minor) { CARD_ONLY; *minor = d->index; return SUCCESS; }
int nvmlDeviceGetCudaComputeCapability(handle d, int *major, int *minor) {
    (void)d;
    READY;
    *major = 9;
    *minor = 0;
    return SUCCESS;
}
int nvmlDeviceGetArchitecture(handle d, uint *number) { (void)d; READY; *number = 9; return SUCCESS; }
int nvmlDeviceGetGpuFabricInfoV(handle d, fabric *f) {
    CARD_ONLY;
    f->state = 3;
    f->status = SUCCESS;
    f->clique = 0;
    return SUCCESS;
}

#ifdef MIG
#define CUT(d) ((d)->index == 0)
#else
#define CUT(d) ((void)(d), 0)
#endif
int nvmlDeviceGetMigMode(handle d, uint *mode, uint *pending) {
    CARD_ONLY;
    *mode = *pending = CUT(d);
    return SUCCESS;
}
int nvmlDeviceGetMaxMigDeviceCount(handle d, uint *count) { CARD_ONLY; *count = 7; return SUCCESS; }
int nvmlDeviceGetMigDeviceHandleByIndex(handle d, uint place, handle *part) {
    CARD_ONLY;
    if (!CUT(d) || place > 1) return NOT_FOUND;
    *part = &parts[place];
    return SUCCESS;
}
int nvmlDeviceGetGpuInstanceId(handle d, uint *id) {
    READY;
    if (d->instance < 0) return NOT_SUPPORTED;
    *id = d->instance + 1;
    return SUCCESS;
}
int nvmlDeviceGetComputeInstanceId(handle d, uint *id) {
    READY;
    if (d->instance < 0) return NOT_SUPPORTED;
    *id = 0;
    return SUCCESS;
}
int nvmlDeviceGetAttributes_v2(handle d, attributes *a) {
    READY;
    if (d->instance < 0) return NOT_SUPPORTED;
    memset(a, 0, sizeof *a);
    a->sms = d->instance ? 16 : 60;
    a->memory_mb = d->instance ? 9856 : 40448;
    return SUCCESS;
}

int nvmlDeviceGetUtilizationRates(handle d, rates *r) {
    CARD_ONLY;
    if (CUT(d)) return NOT_SUPPORTED;
    r->gpu = 40 + 10 * d->index;
    r->memory = 20;
    return SUCCESS;
}
int nvmlDeviceGetSamples(handle d, int kind, ull since, uint *type, uint *count, sample *samples) {
    ull newest = now_us() / 100000;
    uint found = 0;
    (void)kind;
    CARD_ONLY;
    *type = TYPE_UINT;
    if (!samples) { *count = 120; return SUCCESS; }
    for (ull at = newest - 99; at <= newest && found < *count; at++)
        if (at * 100000 > since) {
            samples[found].stamp = at * 100000;
            samples[found++].value.u = 40 + 10 * d->index;
        }
    *count = found;
    return found ? SUCCESS : NOT_FOUND;
}
int nvmlDeviceGetMemoryInfo(handle d, memory *m) {
    READY;
    m->total = d->instance < 0 ? 81559ULL << 20 : d->instance ? 9856ULL << 20 : 40448ULL << 20;
    m->used = 600ULL << 20;
    m->free = m->total - m->used;
    return SUCCESS;
}
int nvmlDeviceGetClockInfo(handle d, int clock, uint *megahertz) {
    (void)clock;
    CARD_ONLY;
    *megahertz = 1980;
    return SUCCESS;
}
int nvmlDeviceGetCurrentClocksEventReasons(handle d, ull *bits) { CARD_ONLY; *bits = 0; return SUCCESS; }
int nvmlDeviceGetPowerUsage(handle d, uint *milliwatts) { CARD_ONLY; *milliwatts = 300000; return SUCCESS; }
int nvmlDeviceGetTotalEnergyConsumption(handle d, ull *millijoules) {
    CARD_ONLY;
    *millijoules = now_us() / 1000 * 300;
    return SUCCESS;
}
int nvmlDeviceGetFieldValues(handle d, int count, field *fields) {
    CARD_ONLY;
    for (int at = 0; at < count; at++) {
        field *f = &fields[at];
        f->stamp = now_us();
        f->code = SUCCESS;
        f->type = TYPE_ULL;
        switch (f->field) {
        case 185: f->type = TYPE_UINT; f->value.u = 300000; break;
        case 83: f->value.ull_ = now_us() / 1000 * 300; break;
        case 4: case 143: f->value.ull_ = 0; break;
        case 144: f->type = TYPE_UINT; f->value.u = 0; break;
        case 138: case 139: f->value.ull_ = now_us() / 1000; break;
        case 197: case 198: f->value.ull_ = now_us(); break;
        default: f->code = NOT_SUPPORTED;
        }
    }
    return SUCCESS;
}

int nvmlGpmQueryDeviceSupport(handle d, support *s) { CARD_ONLY; s->supported = 1; return SUCCESS; }
int nvmlGpmSampleAlloc(ull **s) { READY; *s = calloc(1, sizeof **s); return SUCCESS; }
int nvmlGpmSampleFree(ull *s) { free(s); return SUCCESS; }
int nvmlGpmSampleGet(handle d, ull *s) { CARD_ONLY; *s = now_us(); return SUCCESS; }
int nvmlGpmMigSampleGet(handle d, uint id, ull *s) {
    CARD_ONLY;
    if (!CUT(d) || id > 2) return INVALID_ARGUMENT;
    *s = now_us();
    return SUCCESS;
}
int nvmlGpmMetricsGet(metrics *m) {
    READY;
    if (m->version != 1 || *m->sample2 <= *m->sample1) return INVALID_ARGUMENT;
    for (uint at = 0; at < m->count; at++) {
        m->metrics[at].code = SUCCESS;
        m->metrics[at].value = m->metrics[at].metric < 20 ? 25.0 : 128.0;
    }
    return SUCCESS;
}

int nvmlDeviceGetComputeRunningProcesses_v3(handle d, uint *count, process *found) {
    uint room = *count;
    READY;
    *count = d->index == 0;
    if (*count > room) return TOO_SMALL;
    if (*count) found[0] = (process){.pid = (uint)getpid(), .used = 512ULL << 20, .gi = ~0u, .ci = ~0u};
    return SUCCESS;
}
int nvmlDeviceGetMPSComputeRunningProcesses_v3(handle d, uint *count, process *found) {
    (void)d;
    (void)found;
    READY;
    *count = 0;
    return SUCCESS;
}
int nvmlDeviceGetProcessUtilization(handle d, process_sample *found, uint *count, ull since) {
    (void)since;
    CARD_ONLY;
    if (d->index) return NOT_FOUND;
    if (!found || !*count) { *count = 1; return TOO_SMALL; }
    found[0] = (process_sample){.pid = (uint)getpid(), .stamp = now_us(), .sm = 40};
    *count = 1;
    return SUCCESS;
}

#elif defined(MINIMAL) || defined(OLD)

#ifdef MINIMAL
#define LATEST(name, version) name##version
#else
#define LATEST(name, version) name
#endif
int LATEST(nvmlInit, _v2)(void) { return SUCCESS; }
int nvmlShutdown(void) { return SUCCESS; }
int nvmlSystemGetDriverVersion(char *buffer, uint size) { strncpy(buffer, "535.104.05", size); return SUCCESS; }
int LATEST(nvmlDeviceGetCount, _v2)(uint *count) { *count = 2; return SUCCESS; }
int LATEST(nvmlDeviceGetHandleByIndex, _v2)(uint index, handle *d) { *d = &cards[index]; return SUCCESS; }
int nvmlDeviceGetUUID(handle d, char *buffer, uint size) {
    snprintf(buffer, size, "GPU-mock-%d", d->index);
    return SUCCESS;
}
int nvmlDeviceGetName(handle d, char *buffer, uint size) {
    (void)d;
    strncpy(buffer, "NVIDIA A100-SXM4-40GB", size);
    return SUCCESS;
}
#ifdef MINIMAL
int nvmlDeviceGetPciInfo_v3(handle d, pci *p) {
    snprintf(p->bus_id, sizeof p->bus_id, "0000:%02x:00.0", 0x0f + d->index); /* as the kernel writes it */
    return SUCCESS;
}
#else
int nvmlDeviceGetPciInfo(handle d, pci *p) { /* the first version ends before the newer text */
    snprintf(p->legacy, sizeof p->legacy, "0000:%02X:00.0", 0x0f + d->index);
    return SUCCESS;
}
#endif
int nvmlDeviceGetUtilizationRates(handle d, rates *r) { (void)d; r->gpu = 75; r->memory = 30; return SUCCESS; }
int nvmlDeviceGetPowerUsage(handle d, uint *milliwatts) { (void)d; *milliwatts = 250000; return SUCCESS; }
int nvmlDeviceGetMemoryInfo(handle d, memory *m) {
    (void)d;
    m->total = 40ULL << 30;
    m->used = 10ULL << 30;
    m->free = 30ULL << 30;
    return SUCCESS;
}

#elif defined(STUBS) || defined(REFUSING) || defined(TWINS)

int nvmlInitWithFlags(uint flags) { (void)flags; return SUCCESS; }
int nvmlDeviceGetCount_v2(uint *count) { *count = 2; return SUCCESS; }
#ifdef STUBS
int nvmlDeviceGetHandleByIndex_v2(uint index, handle *d) { *d = &cards[index & 1]; return SUCCESS; }
#define REST SUCCESS
#else
int nvmlDeviceGetHandleByIndex_v2(uint index, handle *d) { /* opaque: it points to nothing */
    *d = (handle)(0x4090L + 2 * index);
    return SUCCESS;
}
#define REST NOT_SUPPORTED
#endif
int nvmlDeviceGetUUID(handle d, char *buffer, uint size) {
#ifdef TWINS
    (void)d;
    return put(buffer, size, "GPU-RTX-UUID");
#else
    snprintf(buffer, size, "GPU-%lx", (long)d & 0xff);
    return SUCCESS;
#endif
}
int nvmlDeviceGetName(handle d, char *buffer, uint size) { (void)d; return put(buffer, size, "Mock GPU"); }
#ifdef TWINS
int nvmlDeviceGetUtilizationRates(handle d, rates *r) { (void)d; r->gpu = 35; r->memory = 15; return SUCCESS; }
int nvmlDeviceGetComputeRunningProcesses_v2(handle d, uint *count, process *found) {
    (void)d;
    *count = 1;
    if (found) found[0] = (process){.pid = 4711, .used = 1 << 30};
    return SUCCESS;
}
#else
#define STUB(name) int name() { return REST; }
STUB(nvmlShutdown) STUB(nvmlSystemGetDriverVersion) STUB(nvmlDeviceGetPciInfo_v3) STUB(nvmlDeviceGetSerial)
STUB(nvmlDeviceGetBoardPartNumber) STUB(nvmlDeviceGetVbiosVersion) STUB(nvmlDeviceGetMinorNumber)
STUB(nvmlDeviceGetCudaComputeCapability) STUB(nvmlDeviceGetArchitecture) STUB(nvmlDeviceGetGpuFabricInfoV)
STUB(nvmlDeviceGetMigMode) STUB(nvmlDeviceGetMaxMigDeviceCount) STUB(nvmlDeviceGetMigDeviceHandleByIndex)
STUB(nvmlDeviceGetGpuInstanceId) STUB(nvmlDeviceGetComputeInstanceId) STUB(nvmlDeviceGetAttributes_v2)
STUB(nvmlDeviceGetUtilizationRates) STUB(nvmlDeviceGetSamples) STUB(nvmlDeviceGetMemoryInfo)
STUB(nvmlDeviceGetClockInfo) STUB(nvmlDeviceGetCurrentClocksEventReasons)
STUB(nvmlDeviceGetCurrentClocksThrottleReasons)
STUB(nvmlDeviceGetPowerUsage) STUB(nvmlDeviceGetTotalEnergyConsumption) STUB(nvmlDeviceGetFieldValues)
STUB(nvmlGpmQueryDeviceSupport) STUB(nvmlGpmSampleAlloc) STUB(nvmlGpmSampleFree) STUB(nvmlGpmSampleGet)
STUB(nvmlGpmMigSampleGet) STUB(nvmlGpmMetricsGet) STUB(nvmlDeviceGetComputeRunningProcesses_v3)
STUB(nvmlDeviceGetMPSComputeRunningProcesses_v3) STUB(nvmlDeviceGetProcessesUtilizationInfo)
STUB(nvmlDeviceGetProcessUtilization)
#endif

#elif defined(ODD)

static int turn; /* grows by one with every count, so with every look */

int nvmlInitWithFlags(uint flags) { (void)flags; return SUCCESS; }
int nvmlShutdown(void) { return UNKNOWN; }
int nvmlSystemGetDriverVersion(char *buffer, uint size) { memset(buffer, 0xff, size); return SUCCESS; }
int nvmlDeviceGetCount_v2(uint *count) { *count = turn++ ? 2 : 0; return SUCCESS; }
int nvmlDeviceGetHandleByIndex_v2(uint index, handle *d) { *d = &cards[index & 1]; return SUCCESS; }
int nvmlDeviceGetUUID(handle d, char *buffer, uint size) {
    memset(buffer, 'x', size); /* no end */
    memcpy(buffer, d->index ? "GPU-1" : "GPU-0", 5);
    return SUCCESS;
}
int nvmlDeviceGetName(handle d, char *buffer, uint size) {
    (void)d;
    memset(buffer, 0x7f, size);
    return put(buffer, size, "  Mock \"GPU\" \\ 1 "); /* an end, and garbage behind it */
}
int nvmlDeviceGetPciInfo_v3(handle d, pci *p) {
    memset(p, 0xfe, sizeof *p);
    if (d->index) memcpy(p->bus_id, "1:1:1 Test", 11);
    return SUCCESS;
}
int nvmlDeviceGetSerial(handle d, char *buffer, uint size) { (void)d; return put(buffer, size, ""); }
int nvmlDeviceGetBoardPartNumber(handle d, char *buffer, uint size) {
    (void)d;
    return put(buffer, size, "\033[31mred\n");
}
int nvmlDeviceGetVbiosVersion(handle d, char *buffer, uint size) { (void)d; return put(buffer, size, "\xc3("); }
int nvmlDeviceGetMinorNumber(handle d, uint *minor) { (void)d; (void)minor; return 123456; }
int nvmlDeviceGetCudaComputeCapability(handle d, int *major, int *minor) {
    (void)d;
    (void)minor;
    *major = -7;
    return SUCCESS;
}
int nvmlDeviceGetArchitecture(handle d, uint *number) { (void)d; *number = 4711; return SUCCESS; }
int nvmlDeviceGetGpuFabricInfoV(handle d, fabric *f) { (void)d; memset(f, 0xee, sizeof *f); return SUCCESS; }
int nvmlDeviceGetMigMode(handle d, uint *mode, uint *pending) { *mode = *pending = d->index; return SUCCESS; }
int nvmlDeviceGetMaxMigDeviceCount(handle d, uint *count) { (void)d; *count = 4000000000u; return SUCCESS; }
int nvmlDeviceGetMigDeviceHandleByIndex(handle d, uint place, handle *part) {
    (void)d;
    (void)place;
    (void)part;
    return SUCCESS;
}
int nvmlDeviceGetUtilizationRates(handle d, rates *r) { r->gpu = d->index ? 101 : 50; r->memory = 1; return SUCCESS; }
int nvmlDeviceGetSamples(handle d, int kind, ull since, uint *type, uint *count, sample *samples) {
    (void)kind;
    if (d->index) { /* four billion, and writes none of them */
        *count = 4000000000u;
        return SUCCESS;
    }
    *type = TYPE_UINT;
    if (samples) { /* unordered, one twice, one wild, one from the future, and more than there is room for */
        ull stamps[4] = {since + 300000, since + 100000, since + 100000, since + 200000};
        uint percents[4] = {60, 20, 20, 4711};
        for (uint at = 0; at < 4; at++) { samples[at].stamp = stamps[at]; samples[at].value.u = percents[at]; }
    }
    *count = samples ? 40 : 4;
    return SUCCESS;
}
int nvmlDeviceGetMemoryInfo(handle d, memory *m) { (void)d; m->total = 1; m->free = 0; m->used = 2; return SUCCESS; }
int nvmlDeviceGetClockInfo(handle d, int clock, uint *megahertz) {
    (void)d;
    (void)clock;
    (void)megahertz;
    return SUCCESS;
}
int nvmlDeviceGetCurrentClocksEventReasons(handle d, ull *bits) { (void)d; *bits = 1ULL << 63; return SUCCESS; }
int nvmlDeviceGetPowerUsage(handle d, uint *milliwatts) { (void)d; (void)milliwatts; return UNKNOWN; }
int nvmlDeviceGetTotalEnergyConsumption(handle d, ull *millijoules) {
    (void)d;
    *millijoules = 9000000000ULL - 1000ULL * turn;
    return SUCCESS;
}
int nvmlDeviceGetFieldValues(handle d, int count, field *fields) {
    for (int at = 0; at < count; at++) {
        field *f = &fields[at];
        switch (f->field) {
        case 185: f->code = SUCCESS; f->value.u = 300000; break; /* and not of which type */
        case 83:
            if (!d->index) break;
            f->code = SUCCESS;
            f->type = TYPE_ULL;
            f->value.ull_ = 9000000000ULL - 1000ULL * turn;
            break;
        case 4: f->code = SUCCESS; f->type = 77; break;
        case 143: f->code = SUCCESS; f->type = TYPE_DOUBLE; f->value.d = 1e300; break;
        case 144: f->code = SUCCESS; f->type = TYPE_DOUBLE; f->value.d = -1.0; break;
        case 197: f->code = UNKNOWN; break;
        case 198: f->code = 4711; break;
        default: break; /* nothing at all */
        }
    }
    return SUCCESS;
}
int nvmlGpmQueryDeviceSupport(handle d, support *s) { (void)d; s->supported = 1; return SUCCESS; }
int nvmlGpmSampleAlloc(ull **s) { (void)s; return SUCCESS; }
int nvmlGpmSampleFree(ull *s) { (void)s; return UNKNOWN; }
int nvmlGpmSampleGet(handle d, ull *s) { (void)d; (void)s; return SUCCESS; }
int nvmlGpmMetricsGet(metrics *m) {
    m->metrics[0].code = SUCCESS; /* without a value; of the others, not even that */
    m->metrics[1].code = SUCCESS;
    m->metrics[1].value = 4711.0;
    return SUCCESS;
}
int nvmlDeviceGetComputeRunningProcesses_v3(handle d, uint *count, process *found) {
    (void)d;
    *count = found ? 4000 : 10; /* more than it announced, and than there is room for */
    return found ? SUCCESS : TOO_SMALL;
}

#endif
