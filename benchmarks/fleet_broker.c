/* Clients of a broker at a steady pace, for fleet_broker.py: lots that publish, partitions that hear them.

   Usage: clients PORT LOTS PARTITIONS MESSAGES_A_SECOND SECONDS BYTES
   Of ten messages seven have QoS 0 and three QoS 1. Prints a JSON object of what was sent and heard.
   The declarations are those of libmosquitto 2 (mosquitto.h), so that no header is needed. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

struct mosquitto;
struct mosquitto_message { int mid; char *topic; void *payload; int payloadlen; int qos; bool retain; };
int mosquitto_lib_init(void);
struct mosquitto *mosquitto_new(const char *id, bool clean, void *obj);
int mosquitto_connect(struct mosquitto *, const char *host, int port, int keepalive);
int mosquitto_publish(struct mosquitto *, int *, const char *, int, const void *, int, bool);
int mosquitto_subscribe(struct mosquitto *, int *, const char *, int);
int mosquitto_loop_read(struct mosquitto *, int);
int mosquitto_loop_write(struct mosquitto *, int);
int mosquitto_loop_misc(struct mosquitto *);
bool mosquitto_want_write(struct mosquitto *);
int mosquitto_max_inflight_messages_set(struct mosquitto *, unsigned int);
void mosquitto_message_callback_set(
    struct mosquitto *, void (*)(struct mosquitto *, void *, const struct mosquitto_message *));
void mosquitto_publish_callback_set(struct mosquitto *, void (*)(struct mosquitto *, void *, int));
void mosquitto_subscribe_callback_set(
    struct mosquitto *, void (*)(struct mosquitto *, void *, int, int, const int *));

#define MAX_CLIENTS 2000
#define READS 32

static long heard[2], sent[2], done, subscribed;
static double worst_s;

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + 1e-9 * t.tv_nsec;
}

static void on_message(struct mosquitto *m, void *obj, const struct mosquitto_message *message) {
    (void)m, (void)obj;
    double sent_s;
    memcpy(&sent_s, message->payload, sizeof sent_s);
    double took_s = now_s() - sent_s;
    if (took_s > worst_s) worst_s = took_s;
    heard[message->qos]++;
}

static void on_publish(struct mosquitto *m, void *obj, int mid) { (void)m, (void)obj, (void)mid, done++; }

static void on_subscribe(struct mosquitto *m, void *obj, int mid, int n, const int *qos) {
    (void)m, (void)obj, (void)mid, (void)n, (void)qos, subscribed++;
}

static void check(int code, const char *what) {
    if (code) fprintf(stderr, "%s: error %d of libmosquitto\n", what, code), exit(1);
}

static void work(struct mosquitto **clients, int n) {
    for (int i = 0; i < n; i++) {
        for (int k = 0; k < READS; k++) check(mosquitto_loop_read(clients[i], 1), "read");
        while (mosquitto_want_write(clients[i])) check(mosquitto_loop_write(clients[i], 1), "write");
        check(mosquitto_loop_misc(clients[i]), "misc");
    }
}

int main(int argc, char **argv) {
    if (argc != 7) return fprintf(stderr, "see the top of fleet_broker.c\n"), 2;
    int port = atoi(argv[1]), n_lots = atoi(argv[2]), n_partitions = atoi(argv[3]);
    double rate = atof(argv[4]), seconds = atof(argv[5]);
    int n_bytes = atoi(argv[6]), n = n_lots + n_partitions;
    if (n > MAX_CLIENTS || n_bytes < (int)sizeof(double)) return 2;
    struct mosquitto *clients[MAX_CLIENTS];
    char name[64], *payload = calloc(1, n_bytes);
    mosquitto_lib_init();
    for (int i = 0; i < n; i++) {
        snprintf(name, sizeof name, "client-%d", i);
        clients[i] = mosquitto_new(name, true, NULL);
        mosquitto_max_inflight_messages_set(clients[i], 1000);
        mosquitto_message_callback_set(clients[i], on_message);
        mosquitto_publish_callback_set(clients[i], on_publish);
        mosquitto_subscribe_callback_set(clients[i], on_subscribe);
        check(mosquitto_connect(clients[i], "127.0.0.1", port, 60), "connect");
    }
    for (double until_s = now_s() + 1; now_s() < until_s;) work(clients, n);
    for (int lot = 0; lot < n_lots; lot++) {
        snprintf(name, sizeof name, "har/lot-%d/#", lot);
        check(mosquitto_subscribe(clients[n_lots + lot % n_partitions], NULL, name, 1), "subscribe");
    }
    while (subscribed < n_lots) work(clients, n);
    double began_s = now_s();
    for (long total = 0; now_s() < began_s + seconds;) {
        long due = (long)(rate * (now_s() - began_s));
        if (due > total + 500) due = total + 500; /* sockets have an end; what is late comes later */
        for (; total < due; total++) {
            int lot = total % n_lots, qos = (total / n_lots) % 10 < 3;
            double at_s = now_s();
            memcpy(payload, &at_s, sizeof at_s);
            snprintf(name, sizeof name, "har/lot-%d/camera-%ld/%s", lot, (total / n_lots) % 50,
                     qos ? "event" : "attributes");
            check(mosquitto_publish(clients[lot], NULL, name, n_bytes, payload, qos, false), "publish");
            sent[qos]++;
        }
        work(clients, n);
        nanosleep(&(struct timespec){0, 500000}, NULL);
    }
    double took_s = now_s() - began_s;
    for (double until_s = now_s() + 10; now_s() < until_s && heard[0] + heard[1] < sent[0] + sent[1];)
        work(clients, n);
    while (done < sent[0] + sent[1] && now_s() < began_s + took_s + 20) work(clients, n);
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    printf("{\"seconds\": %.1f, \"sent\": [%ld, %ld], \"heard\": [%ld, %ld], \"taken\": %ld, "
           "\"worst_ms\": %.0f, \"client_cpu_s\": %.1f}\n",
           took_s, sent[0], sent[1], heard[0], heard[1], done, 1000 * worst_s,
           used.ru_utime.tv_sec + used.ru_stime.tv_sec + 1e-6 * (used.ru_utime.tv_usec + used.ru_stime.tv_usec));
    return 0;
}
