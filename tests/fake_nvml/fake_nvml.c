/* A stand-in for libnvidia-ml.so.1: up to 64 simulated GPUs without hardware or driver.
 *
 * Real NVML clients run against it through LD_LIBRARY_PATH or by its path. Linux, C99, libc only.
 * README.md beside this file tells the environment variables and the control file.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define API __attribute__((visibility("default")))
#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))
#define MAX_GPUS 64
#define MAX_SLICES 8
#define MAX_PROCESSES 4096
#define MAGIC 0x6e766d6cu
#define NOT_AVAILABLE 0xFFFFFFFFu
#define MIB(value) ((u64)(value) << 20)

typedef unsigned int u32;
typedef unsigned long long u64;

/* ---- Answers ------------------------------------------------------------------------------------- */

enum {
    OK = 0,
    UNINITIALIZED = 1,
    INVALID_ARGUMENT = 2,
    NOT_SUPPORTED = 3,
    NO_PERMISSION = 4,
    NOT_FOUND = 6,
    INSUFFICIENT_SIZE = 7,
    DRIVER_NOT_LOADED = 9,
    TIMEOUT = 10,
    FUNCTION_NOT_FOUND = 13,
    GPU_IS_LOST = 15,
    RESET_REQUIRED = 16,
    MISMATCH = 18,
    NO_DATA = 21,
    ARGUMENT_VERSION = 25,
    UNKNOWN = 999,
};

static const struct {
    int code;
    const char *words;
} WORDS[] = {
    {OK, "The operation was successful"},
    {UNINITIALIZED, "Uninitialized"},
    {INVALID_ARGUMENT, "Invalid Argument"},
    {NOT_SUPPORTED, "Not Supported"},
    {NO_PERMISSION, "Insufficient Permissions"},
    {NOT_FOUND, "Not Found"},
    {INSUFFICIENT_SIZE, "Insufficient Size"},
    {DRIVER_NOT_LOADED, "Driver Not Loaded"},
    {TIMEOUT, "Timeout"},
    {FUNCTION_NOT_FOUND, "Function Not Found"},
    {GPU_IS_LOST, "GPU is lost"},
    {RESET_REQUIRED, "GPU requires reset"},
    {MISMATCH, "Driver/library version mismatch"},
    {NO_DATA, "No data"},
    {ARGUMENT_VERSION, "Argument version mismatch"},
};

/* ---- Models -------------------------------------------------------------------------------------- */

enum {
    ECC = 1 << 0,
    MIG = 1 << 1,
    NVLINK = 1 << 2,
    MEMORY_TEMPERATURE = 1 << 3,
    ENERGY = 1 << 4,
    PCIE = 1 << 5,
    ENCODER = 1 << 6,
    POWER = 1 << 7,
    UTIL = 1 << 8,
    MEMORY = 1 << 9,
    POWER_LIMIT = 1 << 10,
    SERIAL = 1 << 11,
    PROCESS_UTIL = 1 << 12,
    BASE = PCIE | ENCODER | POWER | UTIL | MEMORY | POWER_LIMIT | PROCESS_UTIL,
    SERVER = BASE | ECC | MIG | NVLINK | MEMORY_TEMPERATURE | ENERGY | SERIAL,
};

typedef struct {
    const char *key, *name;
    u32 mib, watts, clock, memory_clock, fans, links, pcie_gen, major, minor, architecture;
    int has;
} Model;

static const Model MODELS[] = {
    {"h100", "NVIDIA H100 80GB HBM3", 81559, 700, 1980, 2619, 0, 18, 5, 9, 0, 9, SERVER},
    {"a100", "NVIDIA A100-SXM4-80GB", 81920, 400, 1410, 1593, 0, 12, 4, 8, 0, 7, SERVER},
    {"t4", "Tesla T4", 15360, 70, 1590, 5001, 0, 0, 3, 7, 5, 6, BASE | ECC | ENERGY | SERIAL},
    {"rtx4090", "NVIDIA GeForce RTX 4090", 24564, 450, 3120, 10501, 1, 0, 4, 8, 9, 8, BASE | ENERGY},
    {"rtx3090", "NVIDIA GeForce RTX 3090", 24576, 350, 2100, 9751, 2, 4, 4, 8, 6, 7, BASE | ENERGY | NVLINK},
    {"gtx1070", "NVIDIA GeForce GTX 1070", 8192, 151, 1911, 4004, 1, 0, 3, 6, 1, 4, BASE},
    {"gt710", "NVIDIA GeForce GT 710", 2002, 0, 0, 0, 1, 0, 2, 3, 5, 2, MEMORY},
    {"gb10", "NVIDIA GB10", 0, 140, 3003, 0, 0, 0, 5, 12, 1, 10, UTIL | POWER | ENCODER | ENERGY},
};

/* ---- State --------------------------------------------------------------------------------------- */

/* What the control file may set of one GPU; a negative number leaves it to the simulation. */
typedef struct {
    double util, temp, mem, power, throttle, lost, reset, xid, retired, remapped, ecc;
} Settings;

static const struct {
    const char *key;
    size_t place;
} SETTINGS[] = {
    {"util", offsetof(Settings, util)},         {"temp", offsetof(Settings, temp)},
    {"mem", offsetof(Settings, mem)},           {"power", offsetof(Settings, power)},
    {"throttle", offsetof(Settings, throttle)}, {"lost", offsetof(Settings, lost)},
    {"reset", offsetof(Settings, reset)},       {"xid", offsetof(Settings, xid)},
    {"retired", offsetof(Settings, retired)},   {"remapped", offsetof(Settings, remapped)},
    {"ecc", offsetof(Settings, ecc)},
};
static const Settings UNSET = {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1};

typedef struct Device {
    u32 magic, index, instance; /* instance: 0 is the whole GPU, else its MIG slice */
    struct Device *whole;
    const Model *model;
    u32 slices;
    Settings set;
    double xid_told;
} Device;

typedef struct {
    u32 pid, gpu, mib, instance, sm;
    char type;
} Process;

static Device gpus[MAX_GPUS], slices[MAX_GPUS][MAX_SLICES];
static Process processes[MAX_PROCESSES];
static u32 gpu_count;
static int process_count, initialized, built, init_error, frozen, keep_dead, cuda = 13000;
static double born, lost_after;
static long lost_gpu = -1, delay_all;
static char driver[80] = "580.95.05";
static const char *process_file, *control_file, *log_file;

static double seconds(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static void pause_us(long microseconds) {
    struct timespec t = {microseconds / 1000000, microseconds % 1000000 * 1000};
    nanosleep(&t, NULL);
}

static double simulated(void) {
    return frozen ? 12.5 : seconds(CLOCK_MONOTONIC) - born;
}

/* ---- Every call: its count, its delay, its forced answer ------------------------------------------ */

typedef struct Call {
    const char *name;
    unsigned long count;
    int ready, answer;
    long delay;
    struct Call *next;
} Call;

static Call *calls;

/* Find `key=number` in a comma list of the environment. */
static int listed(const char *variable, const char *key, long *number) {
    const char *place = getenv(variable);
    size_t length = strlen(key);
    while (place && *place) {
        if (!strncmp(place, key, length) && place[length] == '=') {
            *number = strtol(place + length + 1, NULL, 0);
            return 1;
        }
        place = strchr(place, ',');
        place = place ? place + 1 : NULL;
    }
    return 0;
}

static int enter(Call *call) {
    if (!call->ready) {
        long number;
        call->ready = 1;
        call->next = calls;
        calls = call;
        if (listed("FAKE_NVML_FAIL", call->name, &number))
            call->answer = (int)number;
        if (listed("FAKE_NVML_DELAY_FN", call->name, &number))
            call->delay = number;
    }
    call->count++;
    if (call->delay || delay_all)
        pause_us(call->delay ? call->delay : delay_all);
    return call->answer;
}

#define RETURN_IF(expression)                                                                               \
    do {                                                                                                    \
        int answer_ = (expression);                                                                         \
        if (answer_)                                                                                        \
            return answer_;                                                                                 \
    } while (0)
#define ENTER()                                                                                             \
    static Call call_ = {__func__, 0, 0, 0, 0, NULL};                                                       \
    RETURN_IF(enter(&call_))

__attribute__((destructor)) static void write_log(void) {
    FILE *out = log_file ? fopen(log_file, "a") : NULL;
    if (!out)
        return;
    fprintf(out, "# pid %d\n", (int)getpid());
    for (Call *call = calls; call; call = call->next)
        fprintf(out, "%s %lu\n", call->name, call->count);
    fclose(out);
}

/* ---- Configuration ------------------------------------------------------------------------------- */

static const Model *find_model(const char *key, size_t length) {
    for (int i = 0; i < COUNT(MODELS); i++)
        if (strlen(MODELS[i].key) == length && !strncmp(MODELS[i].key, key, length))
            return &MODELS[i];
    return &MODELS[0];
}

static void build_gpus(void) {
    const char *count = getenv("FAKE_NVML_GPUS"), *names = getenv("FAKE_NVML_MODEL");
    const Model *model = &MODELS[0];
    gpu_count = count ? (u32)atoi(count) : 1;
    if (gpu_count > MAX_GPUS)
        gpu_count = MAX_GPUS;
    for (u32 i = 0; i < gpu_count; i++) {
        if (names && *names) {
            size_t length = strcspn(names, ",");
            model = find_model(names, length);
            names += length + (names[length] == ',');
        }
        gpus[i] = (Device){.magic = MAGIC, .index = i, .model = model, .set = UNSET};
        gpus[i].whole = &gpus[i];
    }
}

static void build_slices(void) {
    for (const char *place = getenv("FAKE_NVML_MIG"); place && *place;) {
        u32 gpu = 0, count = 0;
        if (sscanf(place, "%u:%u", &gpu, &count) == 2 && gpu < gpu_count && gpus[gpu].model->has & MIG) {
            gpus[gpu].slices = count < MAX_SLICES ? count : MAX_SLICES - 1;
            for (u32 i = 0; i < gpus[gpu].slices; i++) {
                slices[gpu][i] = gpus[gpu];
                slices[gpu][i].index = i;
                slices[gpu][i].instance = i + 1;
            }
        }
        place = strchr(place, ',');
        place = place ? place + 1 : NULL;
    }
}

static long number_of(const char *variable, long instead) {
    const char *text = getenv(variable);
    return text ? strtol(text, NULL, 0) : instead;
}

static void build(void) {
    const char *text;
    build_gpus();
    build_slices();
    init_error = (int)number_of("FAKE_NVML_INIT", 0);
    cuda = (int)number_of("FAKE_NVML_CUDA", cuda);
    delay_all = number_of("FAKE_NVML_DELAY_US", 0);
    frozen = (int)number_of("FAKE_NVML_FREEZE", 0);
    keep_dead = (int)number_of("FAKE_NVML_KEEP_DEAD", 0);
    process_file = getenv("FAKE_NVML_PIDS");
    control_file = getenv("FAKE_NVML_CTL");
    log_file = getenv("FAKE_NVML_LOG");
    if ((text = getenv("FAKE_NVML_DRIVER")))
        snprintf(driver, sizeof driver, "%s", text);
    if ((text = getenv("FAKE_NVML_LOST")))
        sscanf(text, "%ld@%lf", &lost_gpu, &lost_after);
    built = 1;
}

static int changed(const char *path, struct timespec *last) {
    struct stat status;
    if (!path || stat(path, &status))
        return 0;
    if (status.st_mtim.tv_sec == last->tv_sec && status.st_mtim.tv_nsec == last->tv_nsec)
        return 0;
    *last = status.st_mtim;
    return 1;
}

/* One process a line: pid gpu MiB [C|G|M] [sm%] [instance] */
static void read_processes(void) {
    char line[256];
    FILE *file = fopen(process_file, "r");
    process_count = 0;
    while (file && process_count < MAX_PROCESSES && fgets(line, sizeof line, file)) {
        Process p = {.type = 'C', .sm = 20};
        int found = sscanf(line, "%u %u %u %c %u %u", &p.pid, &p.gpu, &p.mib, &p.type, &p.sm, &p.instance);
        if (*line != '#' && found >= 3)
            processes[process_count++] = p;
    }
    if (file)
        fclose(file);
}

/* One setting a line: init=18, or key.gpu=number with a key of SETTINGS. */
static void read_control(void) {
    char line[256], key[32], value[64];
    u32 gpu;
    FILE *file = fopen(control_file, "r");
    for (u32 i = 0; i < gpu_count; i++)
        gpus[i].set = UNSET;
    init_error = 0;
    while (file && fgets(line, sizeof line, file)) {
        if (sscanf(line, "init=%63s", value) == 1)
            init_error = atoi(value);
        if (sscanf(line, "%31[a-z].%u=%63s", key, &gpu, value) != 3 || gpu >= gpu_count)
            continue;
        for (int i = 0; i < COUNT(SETTINGS); i++)
            if (!strcmp(key, SETTINGS[i].key))
                *(double *)((char *)&gpus[gpu].set + SETTINGS[i].place) = strtod(value, NULL);
    }
    if (file)
        fclose(file);
}

static void refresh(void) {
    static struct timespec process_time, control_time;
    if (changed(process_file, &process_time))
        read_processes();
    if (changed(control_file, &control_time))
        read_control();
}

static int check(Device *d) {
    if (!initialized)
        return UNINITIALIZED;
    if (!d || d->magic != MAGIC)
        return INVALID_ARGUMENT;
    refresh();
    /* A driver that is unloaded under its clients answers so. */
    if (init_error)
        return init_error;
    if (d->whole->set.reset > 0)
        return RESET_REQUIRED;
    int timed = lost_gpu == (long)d->whole->index && seconds(CLOCK_MONOTONIC) - born >= lost_after;
    return d->whole->set.lost > 0 || timed ? GPU_IS_LOST : OK;
}

#define DEVICE(d)                                                                                           \
    ENTER();                                                                                                \
    RETURN_IF(check(d))
#define NEED(d, feature)                                                                                    \
    do {                                                                                                    \
        if (!((d)->model->has & (feature)))                                                                 \
            return NOT_SUPPORTED;                                                                           \
    } while (0)
#define WHOLE_ONLY(d)                                                                                       \
    do {                                                                                                    \
        if ((d)->instance)                                                                                  \
            return NOT_SUPPORTED;                                                                           \
    } while (0)

/* ---- The simulation ------------------------------------------------------------------------------ */

static u32 util_of(Device *d) {
    if (d->whole->set.util >= 0)
        return (u32)d->whole->set.util;
    double wave = 0.5 + 0.5 * sin(simulated() * 6.2831853 / 23 + d->whole->index * 0.9);
    return (u32)(100 * pow(wave, 0.7));
}

static u32 temperature_of(Device *d) {
    return d->whole->set.temp >= 0 ? (u32)d->whole->set.temp : 34 + (u32)(util_of(d) * 0.45);
}

static u32 milliwatts_of(Device *d) {
    if (d->whole->set.power >= 0)
        return (u32)(d->whole->set.power * 1000);
    return (u32)(d->model->watts * 1000.0 * (0.12 + 0.85 * util_of(d) / 100.0));
}

static int runs_on(const Process *p, Device *d) {
    return p->gpu == d->whole->index && (!d->instance || p->instance == d->instance);
}

static int alive(const Process *p) {
    return keep_dead || !kill((pid_t)p->pid, 0) || errno == EPERM;
}

static u64 total_of(Device *d) {
    return d->instance ? MIB(d->model->mib) / 8 : MIB(d->model->mib);
}

static u64 used_of(Device *d) {
    u64 used = MIB(450);
    if (d->whole->set.mem >= 0)
        return MIB(d->whole->set.mem);
    for (int i = 0; i < process_count; i++)
        if (runs_on(&processes[i], d) && alive(&processes[i]))
            used += MIB(processes[i].mib);
    return used < total_of(d) ? used : total_of(d);
}

static int copy(char *out, u32 size, const char *text) {
    if (strlen(text) + 1 > size)
        return INSUFFICIENT_SIZE;
    strcpy(out, text);
    return OK;
}

/* ---- System -------------------------------------------------------------------------------------- */

static int begin(void) {
    if (!built)
        build();
    refresh();
    if (init_error)
        return init_error;
    if (!initialized++)
        born = seconds(CLOCK_MONOTONIC);
    return OK;
}

API int nvmlInit(void) {
    ENTER();
    return begin();
}

API int nvmlInit_v2(void) {
    ENTER();
    return begin();
}

#ifndef FAKE_ANCIENT_DRIVER
API int nvmlInitWithFlags(u32 flags) {
    ENTER();
    (void)flags;
    return begin();
}
#endif

API int nvmlShutdown(void) {
    ENTER();
    return initialized ? (initialized--, OK) : UNINITIALIZED;
}

API const char *nvmlErrorString(int code) {
    for (int i = 0; i < COUNT(WORDS); i++)
        if (WORDS[i].code == code)
            return WORDS[i].words;
    return "Unknown Error";
}

API int nvmlSystemGetDriverVersion(char *out, u32 size) {
    ENTER();
    return initialized ? copy(out, size, driver) : UNINITIALIZED;
}

API int nvmlSystemGetNVMLVersion(char *out, u32 size) {
    ENTER();
    char text[96];
    snprintf(text, sizeof text, "13.%s", driver);
    return copy(out, size, text);
}

API int nvmlSystemGetCudaDriverVersion(int *out) {
    ENTER();
    *out = cuda;
    return OK;
}

API int nvmlSystemGetCudaDriverVersion_v2(int *out) {
    ENTER();
    *out = cuda;
    return OK;
}

API int nvmlSystemGetProcessName(u32 pid, char *out, u32 size) {
    ENTER();
    char path[64], name[64] = "";
    snprintf(path, sizeof path, "/proc/%u/comm", pid);
    FILE *file = fopen(path, "r");
    if (!file)
        return NOT_FOUND;
    if (fgets(name, sizeof name, file))
        name[strcspn(name, "\n")] = 0;
    fclose(file);
    return copy(out, size, name);
}

/* ---- Who is there -------------------------------------------------------------------------------- */

static void uuid_of(Device *d, char *out, size_t size) {
    snprintf(out, size, "%s-%08x-fake-4e56-4d4c-%012x", d->instance ? "MIG" : "GPU",
             0xabc00000u + d->whole->index, d->instance);
}

static void bus_of(Device *d, char *out, size_t size) {
    snprintf(out, size, "00000000:%02X:00.0", 0x10 + d->whole->index * 3);
}

static int by_index(u32 index, Device **out) {
    if (!initialized)
        return UNINITIALIZED;
    if (index >= gpu_count)
        return INVALID_ARGUMENT;
    *out = &gpus[index];
    return check(*out);
}

#define COUNT_CALL(name)                                                                                    \
    API int name(u32 *out) {                                                                                \
        ENTER();                                                                                            \
        if (!initialized)                                                                                   \
            return UNINITIALIZED;                                                                           \
        *out = gpu_count;                                                                                   \
        return OK;                                                                                          \
    }
COUNT_CALL(nvmlDeviceGetCount)
COUNT_CALL(nvmlDeviceGetCount_v2)

API int nvmlDeviceGetHandleByIndex(u32 index, Device **out) {
    ENTER();
    return by_index(index, out);
}

API int nvmlDeviceGetHandleByIndex_v2(u32 index, Device **out) {
    ENTER();
    return by_index(index, out);
}

API int nvmlDeviceGetHandleByUUID(const char *uuid, Device **out) {
    ENTER();
    char text[96];
    for (u32 i = 0; i < gpu_count; i++)
        for (u32 k = 0; k <= gpus[i].slices; k++) {
            *out = k ? &slices[i][k - 1] : &gpus[i];
            uuid_of(*out, text, sizeof text);
            if (!strcmp(text, uuid))
                return OK;
        }
    return NOT_FOUND;
}

API int nvmlDeviceGetHandleByPciBusId_v2(const char *bus, Device **out) {
    ENTER();
    char text[32];
    for (u32 i = 0; i < gpu_count; i++) {
        bus_of(&gpus[i], text, sizeof text);
        if (!strcasecmp(text, bus)) {
            *out = &gpus[i];
            return OK;
        }
    }
    return NOT_FOUND;
}

#define TEXT_CALL(name, feature, ...)                                                                       \
    API int name(Device *d, char *out, u32 size) {                                                          \
        DEVICE(d);                                                                                          \
        if (feature)                                                                                        \
            NEED(d, feature);                                                                               \
        char text[96];                                                                                      \
        __VA_ARGS__;                                                                                        \
        return copy(out, size, text);                                                                       \
    }
TEXT_CALL(nvmlDeviceGetUUID, 0, uuid_of(d, text, sizeof text))
TEXT_CALL(nvmlDeviceGetSerial, SERIAL, snprintf(text, sizeof text, "165012300%04u", d->index))
TEXT_CALL(nvmlDeviceGetVbiosVersion, 0, snprintf(text, sizeof text, "96.00.FA.KE.01"))
TEXT_CALL(nvmlDeviceGetName, 0,
          snprintf(text, sizeof text, d->instance ? "%s MIG 1g.%ugb" : "%s", d->model->name,
                   d->model->mib / 8192))

typedef struct {
    char legacy[16];
    u32 domain, bus, device, device_id, subsystem;
    char bus_id[32];
} PciInfo;

#define PCI_CALL(name)                                                                                      \
    API int name(Device *d, PciInfo *out) {                                                                 \
        DEVICE(d);                                                                                          \
        u32 bus = 0x10 + d->whole->index * 3;                                                               \
        *out = (PciInfo){.bus = bus, .device_id = 0x233010de, .subsystem = 0x16c110de};                     \
        snprintf(out->legacy, sizeof out->legacy, "0000:%02X:00.0", bus & 0xff);                            \
        bus_of(d, out->bus_id, sizeof out->bus_id);                                                         \
        return OK;                                                                                          \
    }
PCI_CALL(nvmlDeviceGetPciInfo)
PCI_CALL(nvmlDeviceGetPciInfo_v2)
PCI_CALL(nvmlDeviceGetPciInfo_v3)

/* ---- One number ---------------------------------------------------------------------------------- */

#define NUMBER_CALL(name, type, feature, value)                                                             \
    API int name(Device *d, type *out) {                                                                    \
        DEVICE(d);                                                                                          \
        if (feature)                                                                                        \
            NEED(d, feature);                                                                               \
        *out = (type)(value);                                                                               \
        return OK;                                                                                          \
    }

static int has_display(Device *d) {
    return d->index == 0 && !(d->model->has & SERIAL);
}

static u64 throttle_of(Device *d) {
    if (d->set.throttle >= 0)
        return (u64)d->set.throttle;
    return util_of(d) > 92 ? 4 : util_of(d) < 3 ? 1 : 0;
}

NUMBER_CALL(nvmlDeviceGetIndex, u32, 0, d->index)
NUMBER_CALL(nvmlDeviceGetMinorNumber, u32, 0, d->index)
NUMBER_CALL(nvmlDeviceGetBrand, u32, 0, d->model->has & SERIAL ? 2 : 5)
NUMBER_CALL(nvmlDeviceGetArchitecture, u32, 0, d->model->architecture)
NUMBER_CALL(nvmlDeviceGetNumGpuCores, u32, 0, 128 * (20 + d->model->clock / 20))
NUMBER_CALL(nvmlDeviceGetMultiGpuBoard, u32, 0, 0)
NUMBER_CALL(nvmlDeviceGetPersistenceMode, u32, 0, 1)
NUMBER_CALL(nvmlDeviceGetDisplayMode, u32, 0, has_display(d))
NUMBER_CALL(nvmlDeviceGetDisplayActive, u32, 0, has_display(d))
NUMBER_CALL(nvmlDeviceGetComputeMode, u32, 0, 0)
NUMBER_CALL(nvmlDeviceGetPerformanceState, u32, 0, util_of(d) > 5 ? 0 : 8)
NUMBER_CALL(nvmlDeviceGetPowerState, u32, 0, util_of(d) > 5 ? 0 : 8)
NUMBER_CALL(nvmlDeviceGetNumFans, u32, 0, d->model->fans)
NUMBER_CALL(nvmlDeviceGetTotalEnergyConsumption, u64, ENERGY, simulated() * d->model->watts * 500.0)
NUMBER_CALL(nvmlDeviceGetCurrentClocksThrottleReasons, u64, POWER_LIMIT, throttle_of(d))
NUMBER_CALL(nvmlDeviceGetSupportedClocksThrottleReasons, u64, POWER_LIMIT, 0x1ff)
NUMBER_CALL(nvmlDeviceGetCurrPcieLinkGeneration, u32, PCIE, util_of(d) > 5 ? d->model->pcie_gen : 1)
NUMBER_CALL(nvmlDeviceGetMaxPcieLinkGeneration, u32, PCIE, d->model->pcie_gen)
NUMBER_CALL(nvmlDeviceGetGpuMaxPcieLinkGeneration, u32, PCIE, d->model->pcie_gen)
NUMBER_CALL(nvmlDeviceGetCurrPcieLinkWidth, u32, PCIE, 16)
NUMBER_CALL(nvmlDeviceGetMaxPcieLinkWidth, u32, PCIE, 16)
NUMBER_CALL(nvmlDeviceGetPcieReplayCounter, u32, PCIE, d->index == 3 ? 17 : 0)
NUMBER_CALL(nvmlDeviceGetRetiredPagesPendingStatus, u32, ECC, 0)
NUMBER_CALL(nvmlDeviceGetMaxMigDeviceCount, u32, 0, d->model->has & MIG ? 7 : 0)
NUMBER_CALL(nvmlDeviceIsMigDeviceHandle, u32, 0, d->instance > 0)
NUMBER_CALL(nvmlDeviceGetSupportedEventTypes, u64, 0, d->model->has & ECC ? 0x1f : 0x18)
#ifndef FAKE_OLD_DRIVER
NUMBER_CALL(nvmlDeviceGetCurrentClocksEventReasons, u64, POWER_LIMIT, throttle_of(d))
NUMBER_CALL(nvmlDeviceGetSupportedClocksEventReasons, u64, POWER_LIMIT, 0x1ff)
#endif

#define WHOLE_CALL(name, feature, value)                                                                    \
    API int name(Device *d, u32 *out) {                                                                     \
        DEVICE(d);                                                                                          \
        NEED(d, feature);                                                                                   \
        WHOLE_ONLY(d);                                                                                      \
        *out = (value);                                                                                     \
        return OK;                                                                                          \
    }
WHOLE_CALL(nvmlDeviceGetPowerUsage, POWER, milliwatts_of(d))
WHOLE_CALL(nvmlDeviceGetPowerManagementLimit, POWER_LIMIT, d->model->watts * 1000)
WHOLE_CALL(nvmlDeviceGetEnforcedPowerLimit, POWER_LIMIT, d->model->watts * 1000)
WHOLE_CALL(nvmlDeviceGetPowerManagementDefaultLimit, POWER_LIMIT, d->model->watts * 1000)

/* ---- Two numbers --------------------------------------------------------------------------------- */

typedef struct {
    u32 gpu, memory;
} Utilization;

#define PAIR_CALL(name, type, feature, first, second)                                                       \
    API int name(Device *d, type *one, type *two) {                                                         \
        DEVICE(d);                                                                                          \
        if (feature)                                                                                        \
            NEED(d, feature);                                                                               \
        *one = (type)(first);                                                                               \
        *two = (type)(second);                                                                              \
        return OK;                                                                                          \
    }
PAIR_CALL(nvmlDeviceGetCudaComputeCapability, int, 0, d->model->major, d->model->minor)
PAIR_CALL(nvmlDeviceGetEccMode, u32, ECC, 1, 1)
PAIR_CALL(nvmlDeviceGetMigMode, u32, MIG, d->slices > 0, d->slices > 0)
PAIR_CALL(nvmlDeviceGetEncoderUtilization, u32, ENCODER, d->index % 4 == 1 ? 12 : 0, 167000)
PAIR_CALL(nvmlDeviceGetDecoderUtilization, u32, ENCODER, d->index % 4 == 2 ? 7 : 0, 167000)
PAIR_CALL(nvmlDeviceGetPowerManagementLimitConstraints, u32, POWER_LIMIT, d->model->watts * 333,
          d->model->watts * 1000)

API int nvmlDeviceGetUtilizationRates(Device *d, Utilization *out) {
    DEVICE(d);
    NEED(d, UTIL);
    if (d->instance || d->slices)
        return NOT_SUPPORTED;
    *out = (Utilization){util_of(d), util_of(d) * 6 / 10};
    return OK;
}

/* ---- Memory -------------------------------------------------------------------------------------- */

typedef struct {
    u64 total, free, used;
} Memory;

typedef struct {
    u32 version;
    u64 total, reserved, free, used;
} Memory2;

API int nvmlDeviceGetMemoryInfo(Device *d, Memory *out) {
    DEVICE(d);
    NEED(d, MEMORY);
    *out = (Memory){total_of(d), total_of(d) - used_of(d), used_of(d)};
    return OK;
}

API int nvmlDeviceGetBAR1MemoryInfo(Device *d, Memory *out) {
    DEVICE(d);
    NEED(d, MEMORY);
    *out = (Memory){MIB(256), MIB(250), MIB(6)};
    return OK;
}

#ifndef FAKE_OLD_DRIVER
API int nvmlDeviceGetMemoryInfo_v2(Device *d, Memory2 *out) {
    DEVICE(d);
    NEED(d, MEMORY);
    if (out->version >> 24 != 2)
        return ARGUMENT_VERSION;
    *out = (Memory2){out->version, total_of(d), MIB(300), total_of(d) - used_of(d), used_of(d)};
    return OK;
}
#endif

/* ---- Heat, fans, clocks, link -------------------------------------------------------------------- */

API int nvmlDeviceGetTemperature(Device *d, u32 sensor, u32 *out) {
    DEVICE(d);
    *out = temperature_of(d);
    return sensor ? INVALID_ARGUMENT : OK;
}

#ifndef FAKE_OLD_DRIVER
typedef struct {
    u32 version, sensor;
    int value;
} Temperature;

API int nvmlDeviceGetTemperatureV(Device *d, Temperature *out) {
    DEVICE(d);
    out->value = (int)temperature_of(d);
    return OK;
}
#endif

API int nvmlDeviceGetTemperatureThreshold(Device *d, u32 which, u32 *out) {
    DEVICE(d);
    static const u32 THRESHOLDS[] = {98, 95, 94, 87};
    if (which >= (u32)COUNT(THRESHOLDS))
        return NOT_SUPPORTED;
    *out = THRESHOLDS[which];
    return OK;
}

API int nvmlDeviceGetFanSpeed(Device *d, u32 *out) {
    DEVICE(d);
    if (!d->model->fans || d->instance)
        return NOT_SUPPORTED;
    *out = 30 + util_of(d) * 6 / 10;
    return OK;
}

API int nvmlDeviceGetFanSpeed_v2(Device *d, u32 fan, u32 *out) {
    DEVICE(d);
    if (!d->model->fans || d->instance)
        return NOT_SUPPORTED;
    *out = 30 + util_of(d) * 6 / 10 + fan;
    return fan < d->model->fans ? OK : INVALID_ARGUMENT;
}

static int clock_of(Device *d, u32 type, double share, u32 *out) {
    if (type > 3)
        return INVALID_ARGUMENT;
    u32 clock = type == 2 ? d->model->memory_clock : d->model->clock;
    if (!clock)
        return NOT_SUPPORTED;
    *out = type == 2 ? clock : (u32)(clock * share * (type == 3 ? 0.9 : 1));
    return OK;
}

API int nvmlDeviceGetClockInfo(Device *d, u32 type, u32 *out) {
    DEVICE(d);
    return clock_of(d, type, 0.3 + 0.65 * util_of(d) / 100.0, out);
}

API int nvmlDeviceGetMaxClockInfo(Device *d, u32 type, u32 *out) {
    DEVICE(d);
    return clock_of(d, type, 1, out);
}

API int nvmlDeviceGetApplicationsClock(Device *d, u32 type, u32 *out) {
    DEVICE(d);
    NEED(d, SERIAL);
    return clock_of(d, type, 1, out);
}

API int nvmlDeviceGetPcieThroughput(Device *d, u32 counter, u32 *out) {
    DEVICE(d);
    NEED(d, PCIE);
    WHOLE_ONLY(d);
    pause_us(20000); /* the real call blocks as long, in each direction */
    *out = 40000 + util_of(d) * 20000 + counter * 1000;
    return OK;
}

/* ---- Faults of the memory ------------------------------------------------------------------------ */

API int nvmlDeviceGetTotalEccErrors(Device *d, u32 type, u32 kind, u64 *out) {
    DEVICE(d);
    NEED(d, ECC);
    (void)kind;
    if (d->set.ecc >= 0)
        *out = type ? (u64)d->set.ecc : 0;
    else
        *out = type == 0 && d->index == 1 ? 3 : 0;
    return OK;
}

API int nvmlDeviceGetMemoryErrorCounter(Device *d, u32 type, u32 kind, u32 place, u64 *out) {
    DEVICE(d);
    NEED(d, ECC);
    (void)kind;
    (void)place;
    *out = type == 0 && d->index == 1;
    return OK;
}

API int nvmlDeviceGetRemappedRows(Device *d, u32 *correctable, u32 *uncorrectable, u32 *pending,
                                  u32 *failed) {
    DEVICE(d);
    NEED(d, MIG); /* the same generations have both */
    double set = d->set.remapped;
    *correctable = d->index == 1;
    *uncorrectable = set > 0 ? (u32)set : 0;
    *pending = set > 0;
    *failed = 0;
    return OK;
}

API int nvmlDeviceGetRetiredPages(Device *d, u32 cause, u32 *count, u64 *addresses) {
    DEVICE(d);
    NEED(d, ECC);
    if (d->model->has & MIG)
        return NOT_SUPPORTED;
    u32 found = cause == 0 && d->set.retired > 0 ? (u32)d->set.retired : 0, room = *count;
    for (u32 i = 0; addresses && i < found && i < room; i++)
        addresses[i] = 0x1000ull * (i + 1);
    *count = found;
    return found && (!addresses || room < found) ? INSUFFICIENT_SIZE : OK;
}

/* ---- Field values -------------------------------------------------------------------------------- */

typedef struct {
    u32 id, scope;
    long long time, latency;
    u32 type;
    int answer;
    union {
        double real;
        u32 small;
        u64 large;
    } value;
} Field;

enum { SMALL = 1, LARGE = 3 };

static void fill_field(Device *d, Field *f) {
    f->time = (long long)(simulated() * 1e6);
    f->latency = 5;
    f->answer = OK;
    f->type = SMALL;
    f->value.large = 0;
    int has = d->model->has;
    if (f->id == 82 && has & MEMORY_TEMPERATURE) {
        f->value.small = temperature_of(d) + 8;
    } else if (f->id == 83 && has & ENERGY) {
        f->type = LARGE;
        f->value.large = (u64)(simulated() * d->model->watts * 500.0);
    } else if (f->id == 91 && has & NVLINK) {
        f->value.small = d->model->links;
    } else if (f->id == 94 && has & PCIE) {
        f->value.small = d->index == 3 ? 17 : 0;
    } else if (f->id >= 138 && f->id <= 141 && has & NVLINK && f->scope < d->model->links) {
        f->type = LARGE;
        f->value.large = (u64)(simulated() * 1e6 * (1 + f->scope));
    } else if ((f->id == 185 || f->id == 186) && has & POWER) {
        f->value.small = milliwatts_of(d);
    } else if (!(f->id >= 142 && f->id <= 145 && has & MIG)) {
        f->answer = NOT_SUPPORTED;
    }
}

API int nvmlDeviceGetFieldValues(Device *d, int count, Field *fields) {
    DEVICE(d);
    for (int i = 0; i < count; i++)
        fill_field(d, &fields[i]);
    return OK;
}

/* ---- Slices -------------------------------------------------------------------------------------- */

API int nvmlDeviceGetMigDeviceHandleByIndex(Device *d, u32 index, Device **out) {
    DEVICE(d);
    if (index >= d->slices)
        return NOT_FOUND;
    *out = &slices[d->index][index];
    return OK;
}

API int nvmlDeviceGetDeviceHandleFromMigDeviceHandle(Device *d, Device **out) {
    DEVICE(d);
    *out = d->whole;
    return d->instance ? OK : INVALID_ARGUMENT;
}

API int nvmlDeviceGetGpuInstanceId(Device *d, u32 *out) {
    DEVICE(d);
    *out = d->instance;
    return d->instance ? OK : NOT_SUPPORTED;
}

API int nvmlDeviceGetComputeInstanceId(Device *d, u32 *out) {
    DEVICE(d);
    *out = 0;
    return d->instance ? OK : NOT_SUPPORTED;
}

/* ---- Processes ----------------------------------------------------------------------------------- */

typedef struct {
    u32 pid;
    u64 memory;
} Entry1;

typedef struct {
    u32 pid;
    u64 memory;
    u32 gpu_instance, compute_instance;
} Entry2;

static int list(Device *d, char type, u32 *count, void *out, int version) {
    u32 found = 0, room = *count;
    for (int i = 0; i < process_count; i++) {
        const Process *p = &processes[i];
        if (p->type != type || !runs_on(p, d) || !alive(p))
            continue;
        u32 instance = p->instance ? p->instance : NOT_AVAILABLE, part = p->instance ? 0 : NOT_AVAILABLE;
        if (out && found < room && version == 1)
            ((Entry1 *)out)[found] = (Entry1){p->pid, MIB(p->mib)};
        else if (out && found < room)
            ((Entry2 *)out)[found] = (Entry2){p->pid, MIB(p->mib), instance, part};
        found++;
    }
    *count = found;
    return !found || (out && found <= room) ? OK : INSUFFICIENT_SIZE;
}

#define LIST_CALL(name, type, version)                                                                      \
    API int name(Device *d, u32 *count, void *out) {                                                        \
        DEVICE(d);                                                                                          \
        return list(d, type, count, out, version);                                                          \
    }
LIST_CALL(nvmlDeviceGetComputeRunningProcesses, 'C', 1)
LIST_CALL(nvmlDeviceGetGraphicsRunningProcesses, 'G', 1)
LIST_CALL(nvmlDeviceGetMPSComputeRunningProcesses, 'M', 1)
#ifndef FAKE_ANCIENT_DRIVER
LIST_CALL(nvmlDeviceGetComputeRunningProcesses_v2, 'C', 2)
LIST_CALL(nvmlDeviceGetGraphicsRunningProcesses_v2, 'G', 2)
LIST_CALL(nvmlDeviceGetMPSComputeRunningProcesses_v2, 'M', 2)
#endif
#ifndef FAKE_OLD_DRIVER
LIST_CALL(nvmlDeviceGetComputeRunningProcesses_v3, 'C', 3)
LIST_CALL(nvmlDeviceGetGraphicsRunningProcesses_v3, 'G', 3)
LIST_CALL(nvmlDeviceGetMPSComputeRunningProcesses_v3, 'M', 3)
#endif

typedef struct {
    u32 pid;
    u64 time;
    u32 sm, memory, encoder, decoder;
} Busy;

/* A sample a second: asked again with the time of the last one, there is nothing until the next. */
API int nvmlDeviceGetProcessUtilization(Device *d, Busy *out, u32 *count, u64 last) {
    DEVICE(d);
    NEED(d, PROCESS_UTIL);
    if (d->instance || d->slices)
        return NOT_SUPPORTED;
    u32 found = 0, room = out ? *count : 0;
    u64 time = (u64)seconds(CLOCK_REALTIME) * 1000000;
    for (int i = 0; i < process_count && time > last; i++) {
        const Process *p = &processes[i];
        if (!runs_on(p, d) || !alive(p))
            continue;
        if (found < room)
            out[found] = (Busy){p->pid, time, p->sm, p->sm / 2, 0, 0};
        found++;
    }
    *count = found;
    if (!found)
        return OK; /* pynvml makes an error called SUCCESS of it, as with the real library */
    return found <= room ? OK : INSUFFICIENT_SIZE;
}

/* ---- Events -------------------------------------------------------------------------------------- */

enum { XID = 8 };

typedef struct {
    u64 mask[MAX_GPUS];
} EventSet;

typedef struct {
    Device *device;
    u64 type, data;
    u32 gpu_instance, compute_instance;
} Event;

API int nvmlEventSetCreate(EventSet **out) {
    ENTER();
    *out = calloc(1, sizeof **out);
    return *out ? OK : UNKNOWN;
}

API int nvmlEventSetFree(EventSet *set) {
    ENTER();
    free(set);
    return OK;
}

API int nvmlDeviceRegisterEvents(Device *d, u64 mask, EventSet *set) {
    DEVICE(d);
    set->mask[d->index] |= mask;
    return OK;
}

static int next_event(EventSet *set, Event *out) {
    for (u32 i = 0; i < gpu_count; i++) {
        Device *d = &gpus[i];
        if (d->set.xid == d->xid_told)
            continue;
        d->xid_told = d->set.xid;
        if (d->set.xid > 0 && set->mask[i] & XID) {
            *out = (Event){d, XID, (u64)d->set.xid, NOT_AVAILABLE, NOT_AVAILABLE};
            return 1;
        }
    }
    return 0;
}

#define WAIT_CALL(name)                                                                                     \
    API int name(EventSet *set, Event *out, u32 milliseconds) {                                             \
        ENTER();                                                                                            \
        double end = seconds(CLOCK_MONOTONIC) + milliseconds / 1000.0;                                      \
        for (;;) {                                                                                          \
            refresh();                                                                                      \
            if (next_event(set, out))                                                                       \
                return OK;                                                                                  \
            if (seconds(CLOCK_MONOTONIC) >= end)                                                            \
                return TIMEOUT;                                                                             \
            pause_us(20000);                                                                                \
        }                                                                                                   \
    }
WAIT_CALL(nvmlEventSetWait)
WAIT_CALL(nvmlEventSetWait_v2)

/* ---- What no simulated GPU has ------------------------------------------------------------------- */

#define NEVER(name)                                                                                         \
    API int name(Device *d) {                                                                               \
        DEVICE(d);                                                                                          \
        return NOT_SUPPORTED;                                                                               \
    }
NEVER(nvmlDeviceGetDriverModel)
NEVER(nvmlDeviceGetDriverModel_v2)
