// Makes each kind of system call that SysFlow tells of, with small known sizes, below the directory in argv[1].
// What happened is not written here: strace says it, and live.py compares that with the records.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[4096];
static char buffer[4096];

static void need(long result, const char *what) {
  if (result < 0) {
    perror(what);
    exit(1);
  }
}
#define NEED(call) need((long)(call), #call)

static const char *at(const char *name) {
  static char paths[4][4200];
  static int next;
  char *path = paths[next++ % 4];
  snprintf(path, sizeof paths[0], "%s/%s", dir, name);
  return path;
}

static void join(pid_t pid) {
  int status;
  NEED(pid);
  NEED(waitpid(pid, &status, 0));
}

static void *write_from_thread(void *fd) {
  NEED(write(*(int *)fd, buffer, 33));
  return NULL;
}

static void files(void) {
  int fd = open(at("plain"), O_CREAT | O_WRONLY | O_TRUNC, 0644);
  NEED(fd);
  for (int i = 0; i < 3; i++) NEED(write(fd, buffer, 100));
  struct iovec parts[2] = {{buffer, 10}, {buffer, 20}};
  NEED(writev(fd, parts, 2));
  NEED(pwrite(fd, buffer, 7, 0));
  NEED(pwritev(fd, parts, 2, 0));
  int copy = dup(fd);
  NEED(write(copy, buffer, 11));
  NEED(dup2(fd, 100));
  NEED(write(100, buffer, 12));
  NEED(dup3(fd, 101, O_CLOEXEC));
  NEED(write(101, buffer, 13));
  int high = fcntl(fd, F_DUPFD, 200);
  NEED(write(high, buffer, 14));
  pthread_t thread;
  pthread_create(&thread, NULL, write_from_thread, &fd);
  pthread_join(thread, NULL);
  close(fd);

  fd = openat(AT_FDCWD, at("plain"), O_RDONLY);
  for (int i = 0; i < 5; i++) NEED(read(fd, buffer, 60));
  NEED(readv(fd, parts, 2));
  NEED(pread(fd, buffer, 40, 0));
  NEED(preadv(fd, parts, 2, 0));
  NEED(mmap(NULL, 100, PROT_READ, MAP_PRIVATE, fd, 0));
  NEED(read(fd, buffer, 0));
  close(fd);

  NEED(chdir(dir));
  fd = open("relative", O_CREAT | O_RDWR, 0600);
  NEED(write(fd, buffer, 21));
  close(fd);
  int here = open(dir, O_RDONLY | O_DIRECTORY);
  fd = openat(here, "by-dirfd", O_CREAT | O_WRONLY, 0600);
  NEED(write(fd, buffer, 22));
  close(fd);
  struct open_how how = {.flags = O_CREAT | O_WRONLY, .mode = 0600};
  fd = syscall(SYS_openat2, here, "by-openat2", &how, sizeof how);
  NEED(fd);
  NEED(write(fd, buffer, 23));
  close(fd);
  fd = creat(at("by-creat"), 0600);
  NEED(write(fd, buffer, 24));
  close(fd);

  int from = open(at("plain"), O_RDONLY), to = open(at("copied"), O_CREAT | O_WRONLY, 0600);
  NEED(sendfile(to, from, NULL, 50));
  NEED(copy_file_range(from, NULL, to, NULL, 51, 0));
  int ends[2];
  NEED(pipe(ends));
  NEED(splice(from, NULL, ends[1], NULL, 52, 0));
  NEED(read(ends[0], buffer, 52));
  NEED(write(ends[1], buffer, 5));
  NEED(read(ends[0], buffer, 5));
  close(from);
  close(to);
  close(ends[0]);
  close(ends[1]);

  int memory = memfd_create("scratch", 0);
  NEED(write(memory, buffer, 77));
  close(memory);

  from = open(at("plain"), O_RDONLY);
  to = open(at("plain"), O_RDONLY);
  NEED(syscall(SYS_close_range, from, to, 0));
  from = open(at("plain"), O_RDONLY);
  NEED(read(from, buffer, 9));
  close(from);
  close(here);
}

static void changes(void) {
  NEED(mkdir(at("made"), 0700));
  NEED(mkdirat(AT_FDCWD, at("made-at"), 0700));
  NEED(mkdir("made-relative", 0700));
  mkdir(at("made"), 0700);
  NEED(rmdir(at("made-at")));
  NEED(unlinkat(AT_FDCWD, at("made"), AT_REMOVEDIR));
  NEED(rename(at("relative"), at("renamed")));
  NEED(renameat2(AT_FDCWD, at("renamed"), AT_FDCWD, at("renamed-again"), 0));
  NEED(link(at("plain"), at("hard")));
  NEED(linkat(AT_FDCWD, at("plain"), AT_FDCWD, at("hard-at"), 0));
  NEED(symlink(at("plain"), at("soft")));
  NEED(symlinkat("plain", AT_FDCWD, at("soft-at")));
  NEED(unlink(at("soft")));
  NEED(unlinkat(AT_FDCWD, at("soft-at"), 0));
  unlink(at("was-never-there"));
  NEED(chmod(at("plain"), 0640));
  NEED(fchmodat(AT_FDCWD, at("plain"), 0600, 0));
  int fd = open(at("plain"), O_RDONLY);
  NEED(fchmod(fd, 0644));
  NEED(fchown(fd, 0, 0));
  close(fd);
  NEED(chown(at("plain"), 0, 0));
  NEED(lchown(at("plain"), 0, 0));
  NEED(fchownat(AT_FDCWD, at("plain"), 0, 0, 0));
  NEED(mknod(at("fifo"), S_IFIFO | 0600, 0));
  NEED(mknodat(AT_FDCWD, at("fifo-at"), S_IFIFO | 0600, 0));
}

static void tcp(int family) {
  struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
  struct sockaddr *addr = family == AF_INET ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;
  socklen_t len = family == AF_INET ? sizeof v4 : sizeof v6;
  int server = socket(family, SOCK_STREAM, 0);
  NEED(bind(server, addr, len));
  NEED(getsockname(server, addr, &len));
  NEED(listen(server, 4));
  pid_t child = fork();
  NEED(child);
  if (child == 0) {
    int client = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    NEED(connect(client, addr, len));
    NEED(write(client, buffer, 1000));
    NEED(send(client, buffer, 500, 0));
    NEED(recv(client, buffer, 300, MSG_WAITALL));
    NEED(shutdown(client, SHUT_WR));
    close(client);
    _exit(0);
  }
  int peer = accept4(server, NULL, NULL, SOCK_CLOEXEC);
  NEED(recv(peer, buffer, 1000, MSG_WAITALL));
  NEED(recv(peer, buffer, 500, MSG_WAITALL));
  struct iovec part = {buffer, 300};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  NEED(sendmsg(peer, &message, 0));
  while (read(peer, buffer, 10) > 0) {
  }
  close(peer);
  close(server);
  join(child);
}

static void sockets(void) {
  tcp(AF_INET);
  tcp(AF_INET6);
  struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t len = sizeof addr;
  int server = socket(AF_INET, SOCK_DGRAM, 0), client = socket(AF_INET, SOCK_DGRAM, 0);
  NEED(bind(server, (struct sockaddr *)&addr, len));
  NEED(getsockname(server, (struct sockaddr *)&addr, &len));
  NEED(sendto(client, buffer, 111, 0, (struct sockaddr *)&addr, len));
  struct sockaddr_in from;
  socklen_t from_len = sizeof from;
  NEED(recvfrom(server, buffer, 200, 0, (struct sockaddr *)&from, &from_len));
  NEED(connect(client, (struct sockaddr *)&addr, len));
  NEED(write(client, buffer, 112));
  NEED(read(server, buffer, 200));
  close(client);
  close(server);

  int pair[2];
  NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
  // A descriptor that travels: the receiver reads what it never opened.
  int fd = open(at("plain"), O_RDONLY);
  pid_t child = fork();
  NEED(child);
  char control[CMSG_SPACE(sizeof fd)] = {0};
  struct iovec part = {buffer, 1};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  if (child == 0) {
    close(pair[0]);
    close(fd);
    NEED(recvmsg(pair[1], &message, 0));
    int passed;
    memcpy(&passed, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof passed);
    NEED(read(passed, buffer, 31));
    close(passed);
    _exit(0);
  }
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof fd);
  memcpy(CMSG_DATA(header), &fd, sizeof fd);
  NEED(sendmsg(pair[0], &message, 0));
  join(child);
  close(fd);

  struct sockaddr_un name = {.sun_family = AF_UNIX};
  snprintf(name.sun_path, sizeof name.sun_path, "%s", at("un"));
  server = socket(AF_UNIX, SOCK_STREAM, 0);
  NEED(bind(server, (struct sockaddr *)&name, sizeof name));
  NEED(listen(server, 1));
  client = socket(AF_UNIX, SOCK_STREAM, 0);
  NEED(connect(client, (struct sockaddr *)&name, sizeof name));
  int peer = accept(server, NULL, NULL);
  NEED(write(client, buffer, 44));
  NEED(read(peer, buffer, 44));
}

static void *exec_from_thread(void *unused) {
  (void)unused;
  execl("/bin/echo", "echo", "from-thread", (char *)NULL);
  return NULL;
}

static int in_shared_table(void *unused) {
  (void)unused;
  int fd = open(at("plain"), O_RDONLY);
  NEED(dup2(fd, 150));
  close(fd);
  return 0;
}

static void processes(char *self) {
  pid_t child = fork();
  if (child == 0) _exit(7);
  join(child);
  child = vfork();
  if (child == 0) {
    execl("/bin/true", "true", "vforked", (char *)NULL);
    _exit(1);
  }
  join(child);
  child = fork();
  if (child == 0) {
    execl(at("no-such-program"), "none", (char *)NULL);
    _exit(3);
  }
  join(child);
  child = fork();
  if (child == 0) {
    pthread_t thread;
    pthread_create(&thread, NULL, exec_from_thread, NULL);
    pause();
  }
  join(child);
  child = fork();
  if (child == 0) {
    int fd = open("/bin/true", O_PATH | O_CLOEXEC);
    char *const args[] = {"true", "by-execveat", NULL}, *const none[] = {NULL};
    syscall(SYS_execveat, fd, "", args, none, AT_EMPTY_PATH);
    _exit(1);
  }
  join(child);
  // The child opens, the parent reads: they share the table.
  static char stack[65536];
  child = clone(in_shared_table, stack + sizeof stack, CLONE_FILES | SIGCHLD, NULL);
  join(child);
  NEED(read(150, buffer, 17));
  close(150);
  // A script: its interpreter is what runs.
  int fd = open(at("script.sh"), O_CREAT | O_WRONLY, 0755);
  dprintf(fd, "#!/bin/sh\n:\n");
  close(fd);
  child = fork();
  if (child == 0) {
    execl(at("script.sh"), "script.sh", "argument", (char *)NULL);
    _exit(1);
  }
  join(child);
  child = fork();
  if (child == 0) {
    // Killed by a signal from its parent.
    pause();
    _exit(0);
  }
  NEED(kill(child, SIGTERM));
  join(child);
  child = fork();
  if (child == 0) {
    NEED(unshare(CLONE_NEWUTS));
    int ns = open("/proc/1/ns/uts", O_RDONLY);
    if (ns >= 0) setns(ns, CLONE_NEWUTS);
    NEED(chroot(dir));
    NEED(chdir("/"));
    fd = open("/plain", O_RDONLY);
    NEED(read(fd, buffer, 18));
    _exit(0);
  }
  join(child);
  child = fork();
  if (child == 0) {
    NEED(setgid(65534));
    NEED(setresuid(65534, 65534, 65534));
    int refused = open("/etc/shadow", O_RDONLY);
    _exit(refused >= 0);
  }
  join(child);
  child = fork();
  if (child == 0) {
    NEED(setuid(65534));
    execl(self, self, "--refused", (char *)NULL);
    _exit(0);
  }
  join(child);
}

int main(int argc, char **argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: workload EMPTY-DIRECTORY\n");
    return 2;
  }
  if (strcmp(argv[1], "--refused") == 0) return open("/etc/shadow", O_RDONLY) >= 0;
  snprintf(dir, sizeof dir, "%s", argv[1]);
  files();
  changes();
  sockets();
  processes(argv[0]);
  return 0;
}
