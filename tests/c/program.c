/* SPDX-License-Identifier: Apache-2.0
 *
 * A C program that uses each part of the C interface on the device of ACCEL_DEVICE, and a model if
 * it gets the file. It prints "passed", or the line that failed with the library's message.
 */
#define _GNU_SOURCE
#include <accel.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static accel_error_t error = {.size = sizeof error};

#define CHECK(condition)                                                                    \
    do {                                                                                    \
        if (!(condition)) {                                                                 \
            fprintf(stderr, "line %d: %s (%s)\n", __LINE__, #condition, error.text);        \
            exit(1);                                                                        \
        }                                                                                   \
    } while (0)

static accel_buffer_t *allocate(const accel_device_t *card, uint64_t bytes)
{
    accel_buffer_t *buffer = NULL;

    CHECK(accel_buffer_allocate(card, bytes, NULL, &buffer, &error) == 0);
    return buffer;
}

static void *data_of(const accel_buffer_t *buffer)
{
    void *data = NULL;

    CHECK(accel_buffer_data(buffer, &data, &error) == 0);
    return data;
}

static void run(accel_queue_t *queue, accel_command_t *command)
{
    accel_job_t *job = NULL;

    CHECK(accel_queue_submit(queue, command, &job, &error) == 0);
    CHECK(accel_job_wait(job, ACCEL_FOREVER, &error) == 0);
    CHECK(accel_job_done(job) == 1);
    accel_job_free(job);
    accel_command_free(command);
}

static accel_command_t *fill(accel_operand_t dst, uint64_t pattern, uint64_t bytes)
{
    accel_fill_t description = {.size = sizeof description, .dst = dst, .pattern = pattern,
                                .bytes = bytes};
    accel_command_t *command = NULL;

    CHECK(accel_command_fill(&description, &command, &error) == 0);
    return command;
}

static void check_memory(const accel_device_t *card, accel_queue_t *queue)
{
    accel_buffer_options_t options = {.size = sizeof options,
                                      .placement = ACCEL_PLACEMENT_DEVICE};
    accel_buffer_t *far = NULL, *near = allocate(card, 4096), *part = NULL, *copy = NULL;
    accel_command_t *command = NULL;
    uint32_t words[8];
    void *data;
    int fd = -1;

    CHECK(accel_buffer_allocate(card, 4096, &options, &far, &error) == 0);
    CHECK(accel_buffer_data(far, &data, &error) == EINVAL && data == NULL);
    run(queue, fill(accel_at(far, 64), 0x01020304, 256));
    accel_copy_t description = {.size = sizeof description, .dst = accel_at(near, 0),
                                .src = accel_at(far, 0), .bytes = 4096};
    CHECK(accel_command_copy(&description, &command, &error) == 0);
    run(queue, command);
    CHECK(((uint32_t *)data_of(near))[15] == 0 && ((uint32_t *)data_of(near))[16] == 0x01020304);

    CHECK(accel_buffer_slice(near, 64, 32, &part, &error) == 0);
    CHECK(accel_buffer_bytes(part) == 32);
    CHECK(accel_buffer_address(part) == accel_buffer_address(near) + 64);
    CHECK(accel_buffer_slice(near, 4090, 32, &copy, &error) == EINVAL && copy == NULL);

    for (uint32_t i = 0; i < 8; ++i)
        words[i] = i * i;
    CHECK(accel_queue_upload(queue, far, 128, words, sizeof words, &error) == 0);
    memset(words, 0, sizeof words);
    CHECK(accel_queue_download(queue, words, far, 128, sizeof words, &error) == 0);
    CHECK(words[7] == 49);
    CHECK(accel_queue_upload(queue, far, 4090, words, sizeof words, &error) == EINVAL);

    CHECK(accel_buffer_export(card, near, &fd, &error) == 0 && fd >= 0);
    CHECK(accel_buffer_import(card, fd, ACCEL_ACCESS_DEFAULT, &copy, &error) == 0);
    CHECK(close(fd) == 0);
    memset(words, 0, sizeof words);
    CHECK(accel_queue_download(queue, words, copy, 64, 4, &error) == 0);
    CHECK(words[0] == 0x01020304);
    accel_buffer_free(copy);
    accel_buffer_free(near); /* the slice keeps the memory */
    CHECK(*(uint32_t *)data_of(part) == 0x01020304);
    accel_buffer_free(part);
    accel_buffer_free(far);
}

/* A loop that fills every second word of a buffer, up to a number in memory. */
static void check_loop(const accel_device_t *card, accel_queue_t *queue, accel_buffer_t *buffer)
{
    accel_loop_t loop = {.size = sizeof loop, .commands = 3, .limit = 9,
                         .count = accel_at(buffer, 0)};
    accel_set_argument_t set = {.size = sizeof set, .argument = 0, .base = accel_at(buffer, 8),
                                .bytes = 4, .count = 6, .stride = 8, .by_pass = 1,
                                .access = ACCEL_ACCESS_WRITE};
    accel_skip_t skip = {.size = sizeof skip, .commands = 1, .condition = accel_at(buffer, 1)};
    uint32_t *words = data_of(buffer);
    accel_command_t *commands[4];
    accel_command_list_t *list = NULL;

    words[0] = 2;
    words[1] = 0;
    for (int i = 2; i < 8; ++i)
        words[i] = 3;
    CHECK(accel_command_loop(&loop, &commands[0], &error) == 0);
    CHECK(accel_command_set_argument(&set, &commands[1], &error) == 0);
    commands[2] = fill(accel_argument(0, 0), 7, 4);
    CHECK(accel_command_skip(&skip, &commands[3], &error) == 0);
    CHECK(accel_command_list_create(card, ACCEL_PLACEMENT_HOST, &list, &error) == 0);
    for (int i = 0; i < 4; ++i) {
        CHECK(accel_command_list_add(list, commands[i], &error) == (i == 3 ? EINVAL : 0));
        accel_command_free(commands[i]);
    }
    CHECK(accel_command_nop(&commands[0], &error) == 0);
    CHECK(accel_command_list_add(list, commands[0], &error) == 0);
    accel_command_free(commands[0]);
    CHECK(accel_command_list_close(list, &error) == 0);
    CHECK(accel_command_list_arguments(list) == 0);
    CHECK(accel_queue_submit_list(queue, list, NULL, 0, NULL, &error) == 0);
    accel_command_list_free(list);
    CHECK(accel_queue_synchronize(queue, &error) == 0);
    CHECK(words[2] == 7 && words[3] == 3 && words[4] == 7 && words[5] == 3 && words[6] == 3);
    skip.reserved = 1;
    CHECK(accel_command_skip(&skip, &commands[0], &error) == EINVAL);
    set.by_pass = 2;
    CHECK(accel_command_set_argument(&set, &commands[0], &error) == EINVAL);
}

static void check_queue(const accel_device_t *card, accel_queue_t *queue)
{
    accel_buffer_t *buffer = allocate(card, 64);
    accel_semaphore_t *semaphore = NULL;
    accel_command_t *commands[3] = {NULL, NULL, NULL};
    accel_command_list_t *list = NULL;
    accel_operand_t argument = accel_at(buffer, 0);
    accel_job_t *jobs[1] = {NULL};
    accel_queue_counters_t counters = {.size = sizeof counters};
    uint64_t value = 0;
    size_t index = 7;

    /* A wait that times out, then one that a signal from the host ends. */
    CHECK(accel_semaphore_create(card, 1, &semaphore, &error) == 0);
    CHECK(accel_command_wait(semaphore, 2, &commands[0], &error) == 0);
    commands[1] = fill(accel_at(buffer, 0), 5, 64);
    CHECK(accel_command_signal(semaphore, 3, &commands[2], &error) == 0);
    CHECK(accel_queue_submit_batch(queue, (const accel_command_t *const *)commands, 3, &jobs[0],
                                   &error) == 0);
    CHECK(accel_job_wait(jobs[0], 1000000, &error) == ETIMEDOUT && error.code == ETIMEDOUT);
    CHECK(accel_job_wait_any((const accel_job_t *const *)jobs, 1, 0, &index, &error) == ETIMEDOUT);
    CHECK(accel_job_done(jobs[0]) == 0 && accel_queue_pending(queue) > 0);
    CHECK(accel_semaphore_set(semaphore, 2, &error) == 0);
    CHECK(accel_queue_ring_doorbell(queue, &error) == 0);
    CHECK(accel_job_wait_any((const accel_job_t *const *)jobs, 1, ACCEL_FOREVER, &index, &error) ==
              0 && index == 0);
    CHECK(accel_job_wait(jobs[0], 0, &error) == 0);
    CHECK(accel_semaphore_value(semaphore, &value, &error) == 0 && value == 3);
    CHECK(((uint32_t *)data_of(buffer))[15] == 5);
    for (int i = 0; i < 3; ++i)
        accel_command_free(commands[i]);
    accel_job_free(jobs[0]);
    accel_semaphore_free(semaphore);

    /* A list, whose argument is the buffer. */
    CHECK(accel_command_list_create(card, ACCEL_PLACEMENT_HOST, &list, &error) == 0);
    commands[0] = fill(accel_argument(0, 4), 9, 8);
    CHECK(accel_command_list_add(list, commands[0], &error) == 0);
    accel_command_free(commands[0]);
    CHECK(accel_command_list_close(list, &error) == 0);
    CHECK(accel_command_list_size(list) == 1 && accel_command_list_arguments(list) == 1);
    CHECK(accel_queue_submit_list(queue, list, &argument, 1, NULL, &error) == 0);
    accel_command_list_free(list);
    CHECK(accel_queue_synchronize(queue, &error) == 0);
    CHECK(((uint32_t *)data_of(buffer))[0] == 5 && ((uint32_t *)data_of(buffer))[2] == 9);
    CHECK(accel_queue_counters(queue, &counters, &error) == 0 && counters.commands > 3);
    check_loop(card, queue, buffer);
    accel_buffer_free(buffer);
}

static void check_failure(accel_queue_t *queue)
{
    accel_operand_t nowhere = {.kind = ACCEL_OPERAND_ADDRESS, .offset = 0x10000};
    accel_command_t *command = fill(nowhere, 0, 64);
    accel_job_t *job = NULL;

    CHECK(accel_queue_submit(queue, command, &job, &error) == 0);
    accel_command_free(command);
    CHECK(accel_job_wait(job, ACCEL_FOREVER, &error) == EIO);
    CHECK(error.code == EIO && error.status == ACCEL_ERROR_STATUS_FAULT_UNMAPPED);
    CHECK(error.reason == ACCEL_ERROR_REASON_ERROR && error.address == 0x10000);
    CHECK(error.sequence == accel_job_sequence(job));
    CHECK(error.list_index == ACCEL_LIST_INDEX_NONE && strstr(error.text, "FILL") != NULL);
    CHECK(strstr(error.text, "::") == NULL);
    accel_job_free(job);
    CHECK(accel_queue_reset(queue, &error) == 0);
    CHECK(accel_command_nop(&command, &error) == 0);
    run(queue, command);
}

struct worker {
    pthread_t thread;
    const accel_device_t *card;
    uint32_t number;
};

static void *work(void *argument)
{
    struct worker *self = argument;
    accel_queue_t *queue = NULL;
    accel_buffer_t *buffer = allocate(self->card, 4096);

    CHECK(accel_queue_create(self->card, NULL, &queue, &error) == 0);
    for (uint32_t i = 1; i <= 100; ++i) {
        run(queue, fill(accel_at(buffer, 0), i * self->number, 4096));
        CHECK(((uint32_t *)data_of(buffer))[1023] == i * self->number);
    }
    accel_queue_destroy(queue);
    accel_buffer_free(buffer);
    return NULL;
}

static void check_threads(const accel_device_t *card)
{
    struct worker workers[3];

    for (uint32_t i = 0; i < 3; ++i) {
        workers[i].card = card;
        workers[i].number = i + 1;
        CHECK(pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0);
    }
    for (int i = 0; i < 3; ++i)
        CHECK(pthread_join(workers[i].thread, NULL) == 0);
}

static void check_fork(accel_device_t *card, accel_queue_t *queue)
{
    accel_buffer_t *buffer = allocate(card, 64);
    accel_command_t *command = fill(accel_at(buffer, 0), 1, 64);
    accel_command_list_t *list = NULL;
    int status = -1;

    CHECK(accel_command_list_create(card, ACCEL_PLACEMENT_HOST, &list, &error) == 0);
    CHECK(accel_command_list_add(list, command, &error) == 0);
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        accel_device_info_t info = {.size = sizeof info};
        void *data = NULL;

        CHECK(accel_queue_submit(queue, command, NULL, &error) == EPERM);
        CHECK(accel_buffer_data(buffer, &data, &error) == EPERM);
        CHECK(accel_device_info(card, &info, &error) == EPERM);
        CHECK(accel_queue_pending(queue) == 0);
        CHECK(accel_command_list_close(list, &error) == EPERM);
        accel_command_list_free(list);
        accel_command_free(command);
        accel_buffer_free(buffer);
        accel_queue_destroy(queue);
        accel_device_close(card);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    accel_command_list_free(list);
    run(queue, command);
    CHECK(*(uint32_t *)data_of(buffer) == 1);
    accel_buffer_free(buffer);
}

/* A model is loaded from memory, too. */
static void check_content(const accel_device_t *card, const char *file)
{
    static char content[1 << 16];
    accel_model_t *model = NULL;
    FILE *in = fopen(file, "rb");
    size_t bytes = in != NULL ? fread(content, 1, sizeof content, in) : 0;

    CHECK(in != NULL && bytes > 0 && bytes < sizeof content && fclose(in) == 0);
    CHECK(accel_model_load_memory(card, content, bytes, NULL, NULL, &model, &error) == 0);
    CHECK(accel_model_input_count(model) == 2);
    accel_model_free(model);
    CHECK(accel_model_load_memory(card, content, bytes / 2, NULL, NULL, &model, &error) == EBADMSG);
    CHECK(accel_model_load_memory(card, NULL, bytes, NULL, NULL, &model, &error) == EINVAL);
}

/* A model with the inputs x and y and one output, their difference. */
static void check_model(const accel_device_t *card, accel_queue_t *queue, const char *file)
{
    accel_model_t *model = NULL;
    accel_results_t *results = NULL;
    accel_tensor_t info = {.size = sizeof info}, result = {.size = sizeof result};
    float values[2][60];

    CHECK(accel_model_load(card, file, NULL, &model, &error) == 0);
    CHECK(accel_model_input_count(model) == 2 && accel_model_output_count(model) == 1);
    CHECK(accel_model_input(model, 1, &info, &error) == 0 && strcmp(info.name, "y") == 0);
    CHECK(info.type == ACCEL_DTYPE_F32 && info.rank == 3 && info.shape[2] == 5);
    CHECK(info.bytes == sizeof values[0] && info.data == NULL);
    CHECK(accel_model_input(model, 2, &info, &error) == EINVAL);
    for (int i = 0; i < 60; ++i) {
        values[0][i] = (float)i;
        values[1][i] = 2;
    }
    accel_tensor_t inputs[2] = {
        {.size = sizeof inputs[0], .name = "y", .data = values[1], .bytes = sizeof values[1]},
        {.size = sizeof inputs[0], .name = "x", .data = values[0], .bytes = sizeof values[0]}};
    CHECK(accel_model_run(model, queue, inputs, 2, &results, &error) == 0);
    CHECK(accel_results_count(results) == 1);
    CHECK(accel_results_get(results, 0, &result, &error) == 0 && result.bytes == info.bytes);
    CHECK(((const float *)result.data)[59] == 57 && strcmp(result.name, "z") == 0);
    accel_results_free(results);
    CHECK(accel_model_run(model, queue, inputs, 1, &results, &error) == EINVAL && results == NULL);

    accel_buffer_t *all = allocate(card, 3 * 256);
    accel_operand_t arguments[3] = {accel_at(all, 0), accel_at(all, 256), accel_at(all, 512)};
    memcpy(data_of(all), values[0], sizeof values[0]);
    CHECK(accel_model_submit(model, queue, arguments, 3, NULL, &error) == 0);
    accel_model_free(model); /* the job keeps it */
    CHECK(accel_queue_synchronize(queue, &error) == 0);
    CHECK(((float *)data_of(all))[128 + 59] == 59);
    accel_buffer_free(all);
}

int main(int count, char **words)
{
    accel_device_t *card = NULL;
    accel_queue_t *queue = NULL;
    accel_queue_options_t options = {.size = sizeof options, .spin_ns = -1, .entries = 16};
    accel_device_info_t info = {.size = sizeof info};
    accel_device_end_t end = {.size = sizeof end};

    CHECK(accel_device_open(NULL, &card, &error) == 0);
    CHECK(accel_device_info(card, &info, &error) == 0 && info.max_queues > 0);
    CHECK(accel_device_ended(card, &end, &error) == 0 && end.ended == 0);
    CHECK(accel_queue_create(card, &options, &queue, &error) == 0);
    check_memory(card, queue);
    check_queue(card, queue);
    check_failure(queue);
    check_threads(card);
    check_fork(card, queue);
    if (count > 1) {
        check_content(card, words[1]);
        check_model(card, queue, words[1]);
    }
    accel_device_close(card); /* the queue keeps it open */
    CHECK(accel_queue_synchronize(queue, &error) == 0);
    accel_queue_destroy(queue);
    puts("passed");
    return 0;
}
