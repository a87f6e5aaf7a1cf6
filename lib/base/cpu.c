#include "base/cpu.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined __x86_64__
#include <cpuid.h>
#include <sys/syscall.h>
#endif

static const char *const names[] = {"generic", "avx2", "avx512", "amx"};

/* A property of the machine and of the process's environment, and never written again. */
static struct {
	CpuPath best, chosen;
	bool bf16;
	const char *unknown; /* what UL_CPU says that is no path */
} cpu;
static pthread_once_t once = PTHREAD_ONCE_INIT;

#if defined __x86_64__
/* Leaf 7, subleaf 0, EDX, and subleaf 1, EAX (Intel SDM, volume 2, CPUID). */
enum { EDX_AMX_BF16 = 1 << 22, EDX_AMX_TILE = 1 << 24, EAX_AVX512_BF16 = 1 << 5 };

/* Tiles are 8 KiB of state a thread, which Linux gives only to those who ask. */
static bool ask_for_tiles(void)
{
#if defined __linux__ && defined SYS_arch_prctl
	const long request_permission = 0x1023, tile_data = 18; /* ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA */
	return syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
#else
	return false;
#endif
}

static void find_best(void)
{
	unsigned a = 0, b = 0, c = 0, d = 0, tiles = 0;
	__builtin_cpu_init();
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
		cpu.best = CPU_AVX2;
	if (cpu.best != CPU_AVX2 || !__builtin_cpu_supports("avx512f") ||
	    !__builtin_cpu_supports("avx512bw") || !__builtin_cpu_supports("avx512vl") ||
	    !__builtin_cpu_supports("avx512dq"))
		return;
	cpu.best = CPU_AVX512;
	if (__get_cpuid_count(7, 0, &a, &b, &c, &d))
		tiles = d;
	cpu.bf16 = __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & EAX_AVX512_BF16) != 0;
	if (cpu.bf16 && (tiles & EDX_AMX_BF16) && (tiles & EDX_AMX_TILE) && ask_for_tiles())
		cpu.best = CPU_AMX;
}
#else
static void find_best(void)
{
}
#endif

static void find(void)
{
	const char *wanted = getenv("UL_CPU");
	find_best();
	cpu.chosen = cpu.best;
	if (wanted == NULL || *wanted == '\0')
		return;
	for (CpuPath path = CPU_GENERIC; path <= CPU_AMX; path++)
		if (strcmp(wanted, names[path]) == 0) {
			cpu.chosen = path < cpu.best ? path : cpu.best;
			return;
		}
	cpu.unknown = wanted;
}

CpuPath cpu_path(void)
{
	pthread_once(&once, find);
	return cpu.chosen;
}

const char *cpu_path_name(CpuPath path)
{
	return names[path];
}

size_t cpu_count(void)
{
#if defined __linux__
	cpu_set_t allowed;
	if (sched_getaffinity(0, sizeof allowed, &allowed) == 0)
		return (size_t)CPU_COUNT(&allowed);
#endif
	long online = sysconf(_SC_NPROCESSORS_ONLN);
	return online > 0 ? (size_t)online : 1;
}

bool cpu_has_bf16(void)
{
	return cpu_path() >= CPU_AVX512 && cpu.bf16;
}

bool cpu_check(Error *e)
{
	CpuPath path = cpu_path();
	const char *wanted = getenv("UL_CPU");
	if (cpu.unknown != NULL)
		return fail(e, ERROR_USAGE, "UL_CPU is one of amx, avx512, avx2, generic, not '%.40s'",
		            cpu.unknown);
	if (wanted != NULL && *wanted != '\0' && strcmp(wanted, names[path]) != 0)
		return fail(e, ERROR_USAGE, "UL_CPU=%s: this machine reaches %s at most", wanted,
		            names[cpu.best]);
	return true;
}
