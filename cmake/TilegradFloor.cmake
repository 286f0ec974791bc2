# A release build runs where glibc 2.28 and the libstdc++ of GCC 8 are: it is linked against the older C library in
# TILEGRAD_SYSROOT (scripts/sysroot.mjs) and finds what that lacks, too, in native/core/linux_floor.cc.
set(TILEGRAD_SYSROOT "" CACHE PATH "Folder with the C library of an older Linux, to link a release build against")

function(tilegrad_floor target)
  if(NOT TILEGRAD_SYSROOT)
    return()
  endif()
  set_property(SOURCE native/core/linux_floor.cc APPEND PROPERTY COMPILE_DEFINITIONS TILEGRAD_LINUX_FLOOR=1)
  file(GLOB folders "${TILEGRAD_SYSROOT}/usr/lib/*-linux-gnu" "${TILEGRAD_SYSROOT}/lib/*-linux-gnu")
  if(NOT folders)
    message(FATAL_ERROR "TILEGRAD_SYSROOT=${TILEGRAD_SYSROOT} holds no libraries")
  endif()
  # The compiler looks into its own folders before those of --sysroot, but not before -B and -L.
  set(options "--sysroot=${TILEGRAD_SYSROOT}")
  foreach(folder ${folders})
    list(APPEND options "-B${folder}" "-L${folder}")
  endforeach()
  target_link_options(${target} PRIVATE ${options})
  # Libraries of their own until glibc 2.34.
  target_link_libraries(${target} PRIVATE pthread dl rt m)
endfunction()
