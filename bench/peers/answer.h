// How a peer in C++ times a request: a line "threads seconds case words..." gives
// { "seconds": [...], "cpu": [...] } per run of several batches.
#pragma once

#include <chrono>
#include <ctime>
#include <exception>
#include <functional>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

inline double wall_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}
// Of all threads.
inline double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

inline void print_list(const char* name, const std::vector<double>& values) {
  std::cout << '"' << name << "\": [";
  for (size_t i = 0; i < values.size(); ++i) std::cout << (i ? ", " : "") << values[i];
  std::cout << ']';
}

inline void time_runs(const std::function<void()>& run, double seconds) {
  for (int i = 0; i < 3; ++i) run();
  double start = wall_seconds();
  run();
  const double once = wall_seconds() - start;
  const int runs = once > 0.02 ? 1 : static_cast<int>(0.02 / (once > 1e-7 ? once : 1e-7));
  std::vector<double> wall, cpu;
  const double stop = wall_seconds() + seconds;
  while (wall.empty() || wall_seconds() < stop) {
    const double cpu_start = cpu_seconds();
    start = wall_seconds();
    for (int i = 0; i < runs; ++i) run();
    wall.push_back((wall_seconds() - start) / runs);
    cpu.push_back((cpu_seconds() - cpu_start) / runs);
  }
  std::cout << '{';
  print_list("seconds", wall);
  std::cout << ", ";
  print_list("cpu", cpu);
  std::cout << '}' << std::endl;
}

/// Answers requests until stdin ends; with an argument it prints the version instead. `prepare(words, threads)` makes
/// what one run does.
inline int serve(int argc, const std::string& version,
                 const std::function<std::function<void()>(std::istringstream&, int)>& prepare) {
  if (argc > 1) {
    std::cout << version << std::endl;
    return 0;
  }
  std::string line, known;
  std::function<void()> run;
  while (std::getline(std::cin, line)) {
    std::istringstream words(line);
    int threads = 1;
    double seconds = 0;
    words >> threads >> seconds;
    std::string rest;
    std::getline(words, rest);
    const std::string key = std::to_string(threads) + rest;
    try {
      if (key != known) {
        known.clear();
        std::istringstream arguments(rest);
        run = prepare(arguments, threads);
        known = key;
      }
      time_runs(run, seconds);
    } catch (const std::exception& error) {
      std::cout << "{\"error\": \"" << error.what() << "\"}" << std::endl;
    }
  }
  return 0;
}
