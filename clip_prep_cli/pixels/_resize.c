/* The crop of a bicubic resize of packed 8-bit RGB pixels, looked up in a table: one function.
 *
 * The same integers as in Pillow's src/libImaging/Resample.c: weights in double, rounded to 22-bit
 * fixed point; sums in int32 with the rounding half added; each pass rounded and clipped to 8
 * bits. The twin in Python is `fill_row` in resize.py, with Pillow. No policy here: sizes, crop,
 * the order of the passes and the instruction set come from the caller.
 *
 * A first pass goes along the taps of one axis, a second along the other; which is which is only
 * a matter of two strides. The passes are in _resize_passes.h, compiled once per instruction set. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define PRECISION_BITS (32 - 8 - 2)
#define MAX_SIDE (1 << 24) /* beyond, the float32 box of Pillow's resize() rounds the size */
#define MAX_N_PX (1 << 12)

typedef struct {
    const uint8_t *pixels;
    ptrdiff_t along, across; /* bytes from one tap to the next, and from one sum to the next */
    int taps, sums;          /* how many there are of each */
} Source;

/* ---- Weights -------------------------------------------------------------------------------- */

/* Output i of a pass is the sum over k < count[i] of sample[start[i] + k] * fixed[i * stride + k].
 */
typedef struct {
    int n, stride;
    int *start, *count;
    int32_t *fixed;
} Weights;

static inline double bicubic(double x) {
    const double a = -0.5;
    if (x < 0.0)
        x = -x;
    if (x < 1.0)
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    if (x < 2.0)
        return (((x - 5) * x + 8) * x - 4) * a;
    return 0.0;
}

static void free_weights(Weights *w) {
    free(w->start);
    free(w->fixed);
}

/* precompute_coeffs() and normalize_coeffs_8bpc() of Resample.c, for n outputs from `first`. The
 * compiler must not contract: every operation rounds as it does there. An axis that keeps its size
 * is skipped by Pillow; one weight of 1 gives the same bytes. */
static int make_weights(Weights *w, int in_size, int out_size, int first, int n) {
    const double scale = (double)in_size / out_size;
    const double filter_scale = scale < 1.0 ? 1.0 : scale;
    const double support = in_size == out_size ? 0.0 : 2.0 * filter_scale;
    const double inverse = 1.0 / filter_scale;
    w->n = n;
    w->stride = (int)support * 2 + 3;
    w->start = malloc(2 * (size_t)n * sizeof *w->start);
    w->fixed = calloc((size_t)n * (size_t)w->stride, sizeof *w->fixed);
    double *values = malloc((size_t)w->stride * sizeof *values);
    if (!w->start || !w->fixed || !values) {
        free(values);
        free_weights(w);
        return -1;
    }
    w->count = w->start + n;
    for (int i = 0; i < n; i++) {
        const double center = (first + i + 0.5) * scale;
        int begin = (int)(center - support + 0.5);
        int end = (int)(center + support + 0.5);
        if (in_size == out_size) {
            begin = first + i;
            end = begin + 1;
        }
        begin = begin < 0 ? 0 : begin;
        end = end > in_size ? in_size : end;
        double sum = 0.0;
        for (int x = begin; x < end; x++) {
            const double weight = bicubic((x - center + 0.5) * inverse);
            values[x - begin] = weight;
            sum += weight;
        }
        int32_t *fixed = w->fixed + (size_t)i * (size_t)w->stride;
        for (int k = 0; k < end - begin; k++) {
            const double scaled =
                (sum != 0.0 ? values[k] / sum : values[k]) * (1 << PRECISION_BITS);
            fixed[k] = (int32_t)(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
        }
        w->start[i] = begin;
        w->count[i] = end - begin;
    }
    free(values);
    return 0;
}

/* The first sample that any output needs, and how many from there on. */
static int first_sample(const Weights *w) { return w->start[0]; }
static int sample_count(const Weights *w) {
    return w->start[w->n - 1] + w->count[w->n - 1] - w->start[0];
}

/* ---- Passes, per instruction set ------------------------------------------------------------ */

#define GROUP 1
#define NAME(x) x##_c
#include "_resize_passes.h"
#undef GROUP
#undef NAME

#if defined(__x86_64__)
#define GROUP 2
#define NAME(x) x##_avx2
#include "_resize_passes.h"
#undef GROUP
#undef NAME

#define GROUP 4
#define NAME(x) x##_avx512
#include "_resize_passes.h"
#undef GROUP
#undef NAME
#endif

/* ---- Table ---------------------------------------------------------------------------------- */

#define LOOK_UP(type)                                                                          \
    for (size_t y = 0; y < n; y++)                                                             \
        for (size_t x = 0; x < n; x++)                                                         \
            ((type *)out)[y * n + x] = ((const type *)table)[bytes[y * pitch + x]];

/* out[n][n] = table[bytes[n][pitch]], for one channel and items of 1, 2 or 4 bytes. */
static void look_up_c(const uint8_t *bytes, size_t n, size_t pitch, const void *table, void *out,
                      size_t item) {
    if (item == 4) {
        LOOK_UP(uint32_t)
    } else if (item == 2) {
        LOOK_UP(uint16_t)
    } else {
        LOOK_UP(uint8_t)
    }
}

#if defined(__x86_64__)
/* The whole table of 4-byte items in sixteen registers: the lower five bits of a byte choose in
 * pairs of them, the upper three among the pairs. */
__attribute__((target("avx512f,avx512bw"))) static void
look_up_avx512(const uint8_t *bytes, size_t n, size_t pitch, const void *table, void *out,
               size_t item) {
    if (item != 4) {
        look_up_c(bytes, n, pitch, table, out, item);
        return;
    }
    __m512i part[16];
    for (int k = 0; k < 16; k++)
        part[k] = _mm512_loadu_si512((const uint32_t *)table + 16 * k);
    for (size_t y = 0; y < n; y++) {
        for (size_t x = 0; x < n; x += 16) {
            const __m128i sixteen = _mm_loadu_si128((const void *)(bytes + y * pitch + x));
            const __m512i index = _mm512_cvtepu8_epi32(sixteen);
            __m512i found[8];
            for (int k = 0; k < 8; k++)
                found[k] = _mm512_permutex2var_epi32(part[2 * k], index, part[2 * k + 1]);
            for (int width = 4, bit = 32; width > 0; width /= 2, bit *= 2) {
                const __mmask16 upper = _mm512_test_epi32_mask(index, _mm512_set1_epi32(bit));
                for (int k = 0; k < width; k++)
                    found[k] = _mm512_mask_mov_epi32(found[2 * k], upper, found[2 * k + 1]);
            }
            const __mmask16 inside = n - x < 16 ? (__mmask16)((1u << (n - x)) - 1) : 0xFFFF;
            _mm512_mask_storeu_epi32((uint32_t *)out + y * n + x, inside, found[0]);
        }
    }
}
#endif

/* bytes[n][pitch] mirrored at its diagonal. */
static void turn(uint8_t *bytes, size_t n, size_t pitch) {
    for (size_t y = 0; y < n; y++) {
        for (size_t x = y + 1; x < n; x++) {
            const uint8_t held = bytes[y * pitch + x];
            bytes[y * pitch + x] = bytes[x * pitch + y];
            bytes[x * pitch + y] = held;
        }
    }
}

/* ---- Python --------------------------------------------------------------------------------- */

typedef struct {
    const char *name;
    int (*resize)(const Source *, const Weights *, const Weights *, size_t, uint8_t *);
    void (*look_up)(const uint8_t *, size_t, size_t, const void *, void *, size_t);
} Variant;

static const Variant VARIANTS[] = {
    {"c", resize_c, look_up_c},
#if defined(__x86_64__)
    {"avx2", resize_avx2, look_up_c},
    {"avx512", resize_avx512, look_up_avx512},
#endif
};

/* Whether this processor, and its operating system, have what the variant is made of. */
static int usable(size_t variant) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (variant == 1)
        return __builtin_cpu_supports("avx2");
    if (variant == 2)
        return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vnni");
#endif
    return variant == 0;
}

typedef struct {
    const uint8_t *pixels;
    int width, height, resized_width, resized_height, left, top, n_px, vertical_first;
    const uint8_t *table;
    uint8_t *out;
    size_t item;
    const Variant *variant;
} Task;

/* Everything that needs no Python; -1 if there is no memory. */
static int run(const Task *t) {
    const size_t n = (size_t)t->n_px, pitch = (n + 15) / 16 * 16;
    const ptrdiff_t row = (ptrdiff_t)t->width * 3;
    int status = -1;
    Weights columns, rows;
    uint8_t *bytes = malloc(3 * n * pitch);
    if (!bytes)
        return -1;
    if (make_weights(&columns, t->width, t->resized_width, t->left, t->n_px) < 0)
        goto no_columns;
    if (make_weights(&rows, t->height, t->resized_height, t->top, t->n_px) < 0)
        goto no_rows;
    Source source = {t->pixels + first_sample(&rows) * row + first_sample(&columns) * 3,
                     3, row, sample_count(&columns), sample_count(&rows)};
    if (t->vertical_first) {
        Source turned = {source.pixels, row, 3, source.sums, source.taps};
        status = t->variant->resize(&turned, &rows, &columns, pitch, bytes);
    } else {
        status = t->variant->resize(&source, &columns, &rows, pitch, bytes);
    }
    for (size_t c = 0; c < 3 && status == 0; c++) {
        uint8_t *plane = bytes + c * n * pitch;
        if (t->vertical_first)
            turn(plane, n, pitch);
        t->variant->look_up(plane, n, pitch, t->table + c * 256 * t->item,
                            t->out + c * n * n * t->item, t->item);
    }
    free_weights(&rows);
no_rows:
    free_weights(&columns);
no_columns:
    free(bytes);
    return status;
}

static int side_ok(int side, int resized, int offset, int n_px) {
    return side >= 1 && side <= MAX_SIDE && resized >= n_px && resized <= INT32_MAX / 2 &&
           offset >= 0 && offset <= resized - n_px;
}

/* What is wrong with the arguments, or NULL. After this, every size fits its type. */
static const char *check(Task *t, const Py_buffer *pixels, const Py_buffer *table,
                         const Py_buffer *out) {
    if (t->n_px < 1 || t->n_px > MAX_N_PX)
        return "n_px is out of range";
    if (!side_ok(t->width, t->resized_width, t->left, t->n_px) ||
        !side_ok(t->height, t->resized_height, t->top, t->n_px))
        return "the crop does not lie in the resized image";
    if (pixels->len / 3 / t->width != t->height || pixels->len % ((Py_ssize_t)t->width * 3) != 0)
        return "pixels are not height x width x 3 bytes";
    t->item = (size_t)table->len / (3 * 256);
    if (table->len % (3 * 256) != 0 || (t->item != 1 && t->item != 2 && t->item != 4))
        return "the table is not 3 x 256 items of 1, 2 or 4 bytes";
    if ((size_t)out->len != 3 * (size_t)t->n_px * (size_t)t->n_px * t->item)
        return "out is not 3 x n_px x n_px items of the table";
    if ((uintptr_t)table->buf % t->item != 0 || (uintptr_t)out->buf % t->item != 0)
        return "table or out is not aligned";
    t->pixels = pixels->buf;
    t->table = table->buf;
    t->out = out->buf;
    return NULL;
}

static PyObject *resize_crop(PyObject *module, PyObject *args) {
    (void)module;
    Py_buffer pixels, table, out;
    Task t;
    int variant;
    if (!PyArg_ParseTuple(args, "y*(ii)(ii)(ii)iiy*w*i", &pixels, &t.width, &t.height,
                          &t.resized_width, &t.resized_height, &t.left, &t.top, &t.n_px,
                          &t.vertical_first, &table, &out, &variant))
        return NULL;
    const char *problem = check(&t, &pixels, &table, &out);
    if (variant < 0 || (size_t)variant >= sizeof VARIANTS / sizeof *VARIANTS ||
        !usable((size_t)variant))
        problem = "this processor does not have that variant";
    int status = -1;
    if (!problem) {
        t.variant = &VARIANTS[variant];
        Py_BEGIN_ALLOW_THREADS
        status = run(&t);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&out);
    PyBuffer_Release(&table);
    PyBuffer_Release(&pixels);
    if (problem) {
        PyErr_SetString(PyExc_ValueError, problem);
        return NULL;
    }
    if (status < 0)
        return PyErr_NoMemory();
    Py_RETURN_NONE;
}

static PyMethodDef METHODS[] = {
    {"resize_crop", resize_crop, METH_VARARGS,
     "resize_crop(pixels, size, resized_size, offset, n_px, vertical_first, table, out, variant)"},
    {NULL, NULL, 0, NULL},
};

static int add_variants(PyObject *module) {
    PyObject *names = PyList_New(0);
    int status = names ? 0 : -1;
    for (size_t i = 0; i < sizeof VARIANTS / sizeof *VARIANTS && status == 0; i++) {
        if (usable(i)) {
            PyObject *name = PyUnicode_FromString(VARIANTS[i].name);
            status = name ? PyList_Append(names, name) : -1;
            Py_XDECREF(name);
        }
    }
    if (status == 0)
        status = PyModule_AddObjectRef(module, "VARIANTS", names);
    Py_XDECREF(names);
    return status;
}

static PyModuleDef_Slot SLOTS[] = {
    {Py_mod_exec, add_variants},
    {0, NULL},
};

static struct PyModuleDef MODULE = {
    PyModuleDef_HEAD_INIT, "_resize", NULL, 0, METHODS, SLOTS, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__resize(void) { return PyModuleDef_Init(&MODULE); }
