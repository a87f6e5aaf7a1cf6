#include "math/gemm.h"

#include "math/gemm_kernels.h"

#include <cblas.h>
#include <stdio.h>
#include <string.h>

typedef struct {
	GemmPrecision precision;
	size_t m, n, k;
	Operand a, b;
	PackedPart packed; /* b laid out; packed.b NULL: it is not */
	bool add;
	float *c;
	size_t ldc;
} Product;

static size_t round_up(size_t n, size_t unit)
{
	return (n + unit - 1) / unit * unit;
}

/* The path's own precision for what is asked. */
static GemmPrecision precision_of(GemmPrecision asked)
{
	return cpu_has_bf16() ? asked : GEMM_F32;
}

static const float *at(Operand x, size_t row, size_t column)
{
	return x.data + (x.transposed ? column * x.stride + row : row * x.stride + column);
}

static void blas(const Product *p)
{
	cblas_sgemm(CblasRowMajor, p->a.transposed ? CblasTrans : CblasNoTrans,
	            p->b.transposed ? CblasTrans : CblasNoTrans, (blasint)p->m, (blasint)p->n, (blasint)p->k,
	            1, p->a.data, (blasint)p->a.stride, p->b.data, (blasint)p->b.stride, p->add ? 1 : 0, p->c,
	            (blasint)p->ldc);
}

static size_t element(GemmPrecision precision)
{
	return precision == GEMM_BF16 ? sizeof(Bf16) : sizeof(float);
}

#if defined __x86_64__
static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

static void pack_panel(GemmPrecision precision, Operand b, size_t k0, size_t k, size_t n0, size_t n,
                       void *panel)
{
	if (precision == GEMM_BF16)
		pack_panel_bf16(b, k0, k, n0, n, panel);
	else
		pack_panel_f32(b, k0, k, n0, n, panel);
}

/* F32 is laid out where enough rows or columns share the work: numbers of a column that are a multiple of
 * CROWDED bytes apart want the same few places in the first-level cache.  Where A is transposed that pays
 * from fewer columns on. */
enum { MANY_ROWS = 8 * GROUP, MANY_COLUMNS = 8 * PANEL, TRANSPOSED_COLUMNS = 2 * PANEL, CROWDED = 2048 };

/* Points `out` to B's panel [k0, n0): where it lies already, or laid out in `room`, as a last one is that has
 * fewer columns than a kernel reads. */
static void find_panel(const Product *p, size_t k0, size_t n0, PanelProduct *out, float *room)
{
	const PackedOperand *b = p->packed.b;
	out->b_row = p->precision == GEMM_BF16 ? 2 * PANEL : PANEL;
	out->next = NULL;
	if (b != NULL) {
		size_t panel = (p->packed.n0 + n0) / PANEL, row = p->packed.k0 + k0;
		size_t panel_bytes = round_up(b->k, DEPTH_UNIT) * PANEL * element(p->precision);
		out->b =
		    (const uint8_t *)b->panels + panel * panel_bytes + row * PANEL * element(p->precision);
		if (n0 + PANEL < p->n)
			out->next = (const char *)out->b + panel_bytes;
	} else if (p->precision == GEMM_F32 && !p->b.transposed && out->n == PANEL && out->m < MANY_ROWS) {
		out->b = at(p->b, k0, n0);
		out->b_row = p->b.stride;
	} else {
		pack_panel(p->precision, p->b, k0, out->k, n0, out->n, room);
		out->b = room;
	}
}

/* Rows of A in a block lie a cache line more than a power of two apart, or they would all want the same
 * places in the first-level cache. */
enum { ROW_BYTES = DEPTH_BLOCK * sizeof(Bf16) + LINE };

/* Rows [0, m) of what is read transposed, k numbers each: group by group, a column's numbers of the group
 * side by side. */
static void pack_columns(const float *x, size_t stride, size_t m, size_t k, float *out)
{
	for (size_t i = 0; i < k; i++, x += stride, out += GROUP) {
		float *to = out;
		size_t r = 0;
		for (; r + GROUP <= m; r += GROUP, to += GROUP * k)
			memcpy(to, x + r, GROUP * sizeof *to);
		if (r < m)
			memcpy(to, x + r, (m - r) * sizeof *to);
	}
}

static void find_rows(const Product *p, size_t m0, size_t k0, PanelProduct *out, void *room)
{
	bool bf16 = p->precision == GEMM_BF16,
	     groups = !bf16 && p->a.transposed && p->n >= TRANSPOSED_COLUMNS;
	out->a = room;
	out->a_column = 1;
	if (bf16) {
		out->a_row = round_up(out->k, DEPTH_UNIT) + LINE / sizeof(Bf16);
		pack_rows_bf16(p->a, m0, out->m, cpu_path() == CPU_AMX ? round_up(out->m, PANEL) : out->m, k0,
		               out->k, room, out->a_row);
	} else if (groups) {
		out->a_row = 1;
		out->a_column = GROUP;
		pack_columns(at(p->a, m0, k0), p->a.stride, out->m, out->k, room);
	} else if (!p->a.transposed && p->n >= MANY_COLUMNS && p->a.stride * sizeof(float) % CROWDED == 0) {
		out->a_row = out->k + LINE / sizeof(float);
		for (size_t r = 0; r < out->m; r++)
			memcpy((float *)room + r * out->a_row, at(p->a, m0 + r, k0), out->k * sizeof(float));
	} else {
		out->a = at(p->a, m0, k0);
		out->a_row = p->a.transposed ? 1 : p->a.stride;
		out->a_column = p->a.transposed ? p->a.stride : 1;
	}
	out->a_group = GROUP * (groups ? out->k : out->a_row);
}

/* A block of rows and of depth: all columns of C for it. */
static void block(const Product *p, PanelKernel *kernel, size_t m0, size_t k0, size_t depth, void *rows,
                  float *room)
{
	PanelProduct part = {.m = least(p->m - m0, ROW_BLOCK),
	                     .k = least(p->k - k0, depth),
	                     .ldc = p->ldc,
	                     .add = p->add || k0 > 0};
	find_rows(p, m0, k0, &part, rows);
	for (size_t n0 = 0; n0 < p->n; n0 += PANEL) {
		part.n = least(p->n - n0, PANEL);
		part.c = p->c + m0 * p->ldc + n0;
		find_panel(p, k0, n0, &part, room);
		kernel(&part);
	}
}

static void own(const Product *p)
{
	_Alignas(LINE) uint8_t rows[ROW_BLOCK * ROW_BYTES];
	_Alignas(LINE) float room[DEPTH_BLOCK * PANEL];
	bool bf16 = p->precision == GEMM_BF16, tiles = bf16 && cpu_path() == CPU_AMX;
	PanelKernel *kernel = bf16 ? panel_bf16_avx512 : panel_f32_avx512;
	/* Even blocks of depth: a short last one would read and write all of C for little. */
	size_t most = bf16 ? DEPTH_BLOCK : DEPTH_BLOCK / 2, blocks = p->k ? (p->k + most - 1) / most : 1;
	size_t depth = round_up((p->k + blocks - 1) / blocks + (p->k == 0), DEPTH_UNIT);
	if (tiles) {
		kernel = panel_bf16_amx;
		tiles_begin();
	}
	for (size_t k0 = 0; k0 < p->k || k0 == 0; k0 += depth)
		for (size_t m0 = 0; m0 < p->m; m0 += ROW_BLOCK)
			block(p, kernel, m0, k0, depth, rows, room);
	if (tiles)
		tiles_end();
}
#else
static void own(const Product *p)
{
	blas(p);
}
#endif

static void multiply(const Product *p)
{
	if (p->m == 0 || p->n == 0)
		return;
	if (cpu_path() >= CPU_AVX512)
		own(p);
	else
		blas(p);
}

void gemm(GemmPrecision precision, size_t m, size_t n, size_t k, Operand a, Operand b, bool add, float *c,
          size_t ldc)
{
	multiply(&(Product){precision_of(precision), m, n, k, a, b, {0}, add, c, ldc});
}

PackedPart packed_whole(const PackedOperand *b)
{
	return (PackedPart){b, 0, 0, b->k, b->n};
}

void gemm_packed(GemmPrecision precision, size_t m, Operand a, PackedPart b, bool add, float *c, size_t ldc)
{
	Operand plain = b.b->source;
	precision = precision_of(precision);
	if (b.b->laid_out && b.b->precision == precision) {
		multiply(&(Product){precision, m, b.n, b.k, a, plain, b, add, c, ldc});
		return;
	}
	plain.data = at(plain, b.k0, b.n0);
	multiply(&(Product){precision, m, b.n, b.k, a, plain, {0}, add, c, ldc});
}

bool packed_begin(PackedOperand *p, GemmPrecision precision, Arena *arena, size_t *tasks, Error *e)
{
	size_t size, bytes;
	*tasks = 0;
	if (cpu_path() < CPU_AVX512)
		return true;
	p->precision = precision_of(precision);
	if (!memory_product(round_up(p->k, DEPTH_UNIT), round_up(p->n, PANEL), &size, e) ||
	    !memory_product(size, element(p->precision), &bytes, e))
		return false;
	*tasks = round_up(p->n, PANEL) / PANEL;
	if (p->panels == NULL || p->capacity < bytes) {
		p->panels = arena_new(arena, bytes, 1, e);
		p->capacity = p->panels ? bytes : 0;
	}
	p->laid_out = p->panels != NULL;
	return p->laid_out;
}

void packed_fill_from(PackedOperand *p, size_t task, size_t k0, size_t k, Operand copy)
{
#if defined __x86_64__
	size_t row = PANEL * element(p->precision), at_row = task * round_up(p->k, DEPTH_UNIT) + k0;
	pack_panel(p->precision, copy, 0, k, 0, least(p->n - task * PANEL, PANEL),
	           (uint8_t *)p->panels + at_row * row);
#else
	(void)p, (void)task, (void)k0, (void)k, (void)copy;
#endif
}

void packed_fill(PackedOperand *p, size_t task)
{
	Operand columns = p->source;
	columns.data = at(columns, 0, task * PANEL);
	packed_fill_from(p, task, 0, p->k, columns);
}

void packed_drop(PackedOperand *p)
{
	p->laid_out = false;
}

bool packed_lay_out(PackedOperand *p, GemmPrecision precision, Arena *arena, Error *e)
{
	size_t tasks;
	if (!packed_begin(p, precision, arena, &tasks, e))
		return false;
	for (size_t i = 0; i < tasks; i++)
		packed_fill(p, i);
	return true;
}

bool gemm_precision(const char *name, GemmPrecision *precision, Error *e)
{
	*precision = strcmp(name, "f32") != 0 && cpu_has_bf16() ? GEMM_BF16 : GEMM_F32;
	if (strcmp(name, "bf16") == 0 && *precision != GEMM_BF16)
		return fail(e, ERROR_USAGE,
		            "--precision bf16: the CPU path in use, %s, has no bf16; auto or f32 go on any",
		            cpu_path_name(cpu_path()));
	return true;
}

void gemm_start(void)
{
	/* Products of several threads differ from those of one in the last bits. */
	openblas_set_num_threads(1);
}

void gemm_describe(char *text, size_t size)
{
	if (cpu_path() == CPU_AMX)
		snprintf(text, size, "amx tiles for bf16, avx512 for F32");
	else if (cpu_path() == CPU_AVX512)
		snprintf(text, size, "avx512 for F32%s", cpu_has_bf16() ? " and bf16" : "");
	else
		snprintf(text, size, "%s, %s kernels", openblas_get_config(), openblas_get_corename());
}
