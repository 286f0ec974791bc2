#include "core/cuda/emulator/context.h"

asm(R"(
.text
.globl tilegrad_emulator_switch
.hidden tilegrad_emulator_switch
.type tilegrad_emulator_switch,@function
tilegrad_emulator_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp,(%rdi)
  movq %rsi,%rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  popq %rcx
  jmp *%rcx
.size tilegrad_emulator_switch,.-tilegrad_emulator_switch
)");
