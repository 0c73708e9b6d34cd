/* mandelbrot: a picture of the Mandelbrot set, drawn on all CPUs.
 *
 * Writes a PNG file. Exit code: 0; 1 when the picture could not be drawn or written, which is told
 * on stderr; 2 when the command line is not as in `usage`.
 *
 * How: a lazy map. Its source gives one row of the picture as an item, a worker draws it, and the
 * rows come back in order, straight into the file. Only some rows for each worker are in flight, so
 * memory does not grow with the height of the picture. A row whose worker is lost is drawn again.
 *
 * Colours are smooth: beside the steps that a point takes to get away, it counts how far the last
 * went. SAMPLES x SAMPLES points make one pixel. Points that never get away are black. */
#define _GNU_SOURCE
#include <carpool.h>
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
    "usage: mandelbrot [OPTION]...\n"
    "  --threads      the workers are threads, not processes\n"
    "  --workers N    how many, at most 1024; without it one for each CPU\n"
    "  --size WxH     pixels, at most 32768 each; without it 1280x800\n"
    "  --view X,Y,W   the middle of the picture, and its width; without it -0.7,0,4\n"
    "  --output FILE  without it mandelbrot.png\n";

enum {
    SAMPLES = 3,
    ROWS_IN_FLIGHT = 8, /* For each worker: some are done while a slow one holds up the line. */
    WORKERS_MAX = 1024,
    SIDE_MAX = 32768,
    PLACE_MAX = 1000,
};

/* ---- the task, which runs in a worker ------------------------------------------------------ */

/* One row of the picture: all that a worker needs to know. */
struct row {
    double left, step; /* Where the row begins, and from one pixel to the next. */
    double y;
    uint32_t pixels, steps_max;
};

struct colour {
    double red, green, blue;
};

/* In the cardioid or the disc to the left of it, which are most of the set and would cost most. */
static bool surely_inside(double x, double y) {
    double q = (x - 0.25) * (x - 0.25) + y * y;
    return q * (q + x - 0.25) <= 0.25 * y * y || (x + 1) * (x + 1) + y * y <= 0.0625;
}

/* How many steps the point takes to get away, with a fraction; below 0: it stays. */
static double steps_to_leave(double x, double y, uint32_t steps_max) {
    const double far = 1 << 16; /* Squared. So far out the fraction is smooth. */
    if (surely_inside(x, y)) return -1;
    double a = 0, b = 0;
    for (uint32_t steps = 0; steps < steps_max; steps++) {
        double square = a * a + b * b;
        if (square > far) return fmax(0, steps + 4 - log2(log2(square)));
        double next = a * a - b * b + x;
        b = 2 * a * b + y;
        a = next;
    }
    return -1;
}

/* From dark to light and round again, ever slower. */
static struct colour colour_of(double steps) {
    static const struct colour wheel[] = {
        {12, 4, 24}, {0, 7, 100}, {32, 107, 203}, {237, 255, 255}, {255, 170, 0}};
    enum { COLOURS = sizeof wheel / sizeof *wheel };
    if (steps < 0) return (struct colour){0, 0, 0};
    double place = fmod(2 * log2(1 + steps / 12), COLOURS);
    const struct colour *one = &wheel[(int)place], *other = &wheel[((int)place + 1) % COLOURS];
    double part = place - floor(place);
    part = part * part * (3 - 2 * part);
    return (struct colour){one->red + part * (other->red - one->red),
                           one->green + part * (other->green - one->green),
                           one->blue + part * (other->blue - one->blue)};
}

static void draw_pixel(const struct row *row, uint32_t column, unsigned char pixel[3]) {
    struct colour sum = {0};
    for (int i = 0; i < SAMPLES * SAMPLES; i++) {
        double right = (i % SAMPLES + 0.5) / SAMPLES, down = (i / SAMPLES + 0.5) / SAMPLES - 0.5;
        struct colour sample = colour_of(steps_to_leave(
            row->left + (column + right) * row->step, row->y + down * row->step, row->steps_max));
        sum.red += sample.red;
        sum.green += sample.green;
        sum.blue += sample.blue;
    }
    pixel[0] = (unsigned char)(sum.red / (SAMPLES * SAMPLES) + 0.5);
    pixel[1] = (unsigned char)(sum.green / (SAMPLES * SAMPLES) + 0.5);
    pixel[2] = (unsigned char)(sum.blue / (SAMPLES * SAMPLES) + 0.5);
}

/* An item: a struct row. Its result: 3 bytes for each pixel. */
static int32_t draw_row(pool_task_t *task) {
    const struct row *row = pool_task_args(task, NULL);
    unsigned char *pixels = pool_task_result(task, 3 * (size_t)row->pixels);
    if (!pixels) return pool_task_fail(task, ENOMEM, strerror(ENOMEM));
    for (uint32_t i = 0; i < row->pixels; i++) draw_pixel(row, i, pixels + 3 * (size_t)i);
    return 0;
}

/* ---- the rows in flight --------------------------------------------------------------------- */

struct picture {
    double x, y, span; /* The middle, and the width. */
    uint32_t width, height;
    const char *path;
};

static void complain(const char *subject, const char *why) {
    if (isatty(STDERR_FILENO)) fputs("\r\033[K", stderr); /* Away with the bar. */
    fprintf(stderr, "mandelbrot: %s: %s\n", subject, why);
    exit(1);
}

static struct row row_of(const struct picture *picture, uint32_t index) {
    double step = picture->span / picture->width;
    return (struct row){
        .left = picture->x - picture->span / 2,
        .step = step,
        .y = picture->y - (index + 0.5 - picture->height / 2.0) * step,
        .pixels = picture->width,
        /* The deeper, the more. */
        .steps_max = (uint32_t)(512 + 256 * fmax(0, log2(4 / picture->span))),
    };
}

struct source {
    const struct picture *picture;
    struct row row;
    uint32_t next;
};

static pool_status_t next_row(void *user, const void **item, size_t *len) {
    struct source *source = user;
    if (source->next == source->picture->height) return POOL_ERR_END;
    source->row = row_of(source->picture, source->next++);
    *item = &source->row;
    *len = sizeof source->row;
    return POOL_OK;
}

static void show_progress(uint32_t done, uint32_t height) {
    uint32_t percent = 100 * done / height, before = 100 * (done - 1) / height;
    if (percent == before || !isatty(STDERR_FILENO)) return;
    fprintf(stderr, "\r[%-20.*s] %u %%", (int)percent / 5, "####################", percent);
    if (done == height) fputs("\r\033[K", stderr);
}

static void give_up(pool_t *pool, pool_map_t *map) {
    pool_error_t error;
    if (pool_check(pool, &error) != POOL_OK) complain("pool", error.message);
    if (pool_map_error(map, &error) != POOL_OK) complain("pool", "does not tell what is wrong");
    complain("pool", error.message[0] ? error.message : pool_status_string(error.status));
}

static void draw(pool_t *pool, const struct picture *picture, uint32_t workers, png_structp png) {
    struct source source = {.picture = picture};
    pool_map_options_t how = POOL_MAP_INIT;
    how.chunk_size = 1;
    how.window = ROWS_IN_FLIGHT * (size_t)workers;
    pool_map_t *map;
    pool_status_t status = pool_map_start(pool, draw_row, next_row, &source, &how, &map);
    if (status != POOL_OK) complain("pool", pool_status_string(status));

    size_t size = 3 * (size_t)picture->width;
    void *again = malloc(size);
    if (!again) complain("pool", strerror(ENOMEM));
    for (uint32_t i = 0; i < picture->height; i++) {
        const void *pixels;
        status = pool_map_next(map, POOL_FOREVER, &pixels, NULL, NULL);
        if (status == POOL_ERR_WORKER_LOST) {
            struct row row = row_of(picture, i);
            status = pool_run(pool, draw_row, &row, sizeof row, POOL_FOREVER, again, size, NULL);
            pixels = again;
        }
        if (status != POOL_OK) give_up(pool, map);
        png_write_row(png, pixels);
        show_progress(i + 1, picture->height);
    }
    free(again);
    pool_map_free(map);
}

/* ---- the file ------------------------------------------------------------------------------- */

static void on_png_error(png_structp png, png_const_charp why) {
    const struct picture *picture = png_get_error_ptr(png);
    complain(picture->path, why);
}

static void write_bytes(png_structp png, png_bytep bytes, size_t n) {
    if (fwrite(bytes, 1, n, png_get_io_ptr(png)) != n) png_error(png, strerror(errno));
}

static png_structp begin_png(struct picture *picture, FILE *file, png_infop *info) {
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, picture, on_png_error, NULL);
    *info = png ? png_create_info_struct(png) : NULL;
    if (!*info) complain(picture->path, strerror(ENOMEM));
    png_set_write_fn(png, file, write_bytes, NULL);
    png_set_IHDR(png, *info, picture->width, picture->height, 8, PNG_COLOR_TYPE_RGB,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, *info);
    return png;
}

/* ---- the whole ------------------------------------------------------------------------------ */

static void misused(const char *option, const char *value, const char *wanted) {
    if (option) fprintf(stderr, "mandelbrot: %s %s: must be %s\n", option, value, wanted);
    fputs(usage, stderr);
    exit(2);
}

/* Reads a number from 1 to max that ends with `end`, and goes on behind it. */
static bool read_number(const char **text, uint32_t max, char end, uint32_t *number) {
    if (!isdigit((unsigned char)**text)) return false;
    char *behind;
    unsigned long n = strtoul(*text, &behind, 10);
    *text = behind + 1;
    *number = (uint32_t)n;
    return *behind == end && n >= 1 && n <= max;
}

static bool read_real(const char **text, char end, double *number) {
    char *behind;
    *number = strtod(*text, &behind);
    bool any = behind > *text;
    *text = behind + 1;
    return any && *behind == end && fabs(*number) <= PLACE_MAX;
}

static bool read_size(const char *text, struct picture *picture) {
    return read_number(&text, SIDE_MAX, 'x', &picture->width)
           && read_number(&text, SIDE_MAX, 0, &picture->height);
}

static bool read_view(const char *text, struct picture *picture) {
    return read_real(&text, ',', &picture->x) && read_real(&text, ',', &picture->y)
           && read_real(&text, 0, &picture->span) && picture->span > 0;
}

static struct picture read_command_line(int argc, char **argv, pool_options_t *options) {
    static const struct option names[] = {{"threads", no_argument, NULL, 't'},
                                          {"workers", required_argument, NULL, 'w'},
                                          {"size", required_argument, NULL, 's'},
                                          {"view", required_argument, NULL, 'v'},
                                          {"output", required_argument, NULL, 'o'},
                                          {"help", no_argument, NULL, 'h'},
                                          {0}};
    struct picture picture = {-0.7, 0, 4, 1280, 800, "mandelbrot.png"};
    options->max_workers = pool_available_cpus();
    for (int name; (name = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        const char *text = optarg;
        if (name == 't') options->kind = POOL_THREAD;
        else if (name == 'o') picture.path = optarg;
        else if (name == 'h') exit(fputs(usage, stdout) == EOF);
        else if (name == 'w' && !read_number(&text, WORKERS_MAX, 0, &options->max_workers))
            misused("--workers", optarg, "a number from 1 to 1024");
        else if (name == 's' && !read_size(optarg, &picture))
            misused("--size", optarg, "WIDTHxHEIGHT, each from 1 to 32768");
        else if (name == 'v' && !read_view(optarg, &picture))
            misused("--view", optarg, "X,Y,WIDTH, from -1000 to 1000, the width above 0");
        else if (name == '?') misused(NULL, NULL, NULL);
    }
    if (optind < argc) misused("argument", argv[optind], "left out");
    return picture;
}

int main(int argc, char **argv) {
    pool_options_t options = POOL_OPTIONS_INIT;
    struct picture picture = read_command_line(argc, argv, &options);
    pool_t *pool;
    pool_error_t error;
    if (pool_new(&options, &pool, &error) != POOL_OK) complain("pool", error.message);
    FILE *file = fopen(picture.path, "wb");
    if (!file) complain(picture.path, strerror(errno));

    png_infop info;
    png_structp png = begin_png(&picture, file, &info);
    draw(pool, &picture, options.max_workers, png);
    png_write_end(png, NULL);
    png_destroy_write_struct(&png, &info);
    if (fclose(file) != 0) complain(picture.path, strerror(errno));
    pool_free(pool);
}
