# Compiler and linker flags that every object of the addon shares.
add_library(tilegrad_flags INTERFACE)
target_include_directories(tilegrad_flags INTERFACE "${CMAKE_CURRENT_SOURCE_DIR}/native")
# The optimisation level is that of the build type. The last two change no value: no errno, no floating-point traps.
set(cxx_flags -Wall -Wextra -ffunction-sections -fdata-sections -fno-math-errno -fno-trapping-math)
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  # Conditions over vectors read well without further parentheses, and GCC's pragmas are for GCC.
  list(APPEND cxx_flags -Wno-bitwise-conditional-parentheses -Wno-unknown-pragmas)
endif()
if(TILEGRAD_SANITIZE)
  list(APPEND cxx_flags -O2 -g1 -fno-omit-frame-pointer -fsanitize=${TILEGRAD_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(tilegrad_flags INTERFACE -fsanitize=${TILEGRAD_SANITIZE})
endif()
foreach(flag ${cxx_flags})
  # clang-cl hands on what follows /clang:; a * b + c contracts there, too.
  target_compile_options(tilegrad_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:$<$<BOOL:${MSVC}>:/clang:>${flag}>)
endforeach()
if(MSVC)
  target_compile_options(tilegrad_flags INTERFACE /EHsc /Zc:__cplusplus)
  target_compile_definitions(tilegrad_flags INTERFACE NOMINMAX WIN32_LEAN_AND_MEAN _USE_MATH_DEFINES)
endif()
target_compile_options(tilegrad_flags INTERFACE "$<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Wall>")

# Only native/binding sees napi.h, so only its files get the path.
function(tilegrad_node_api target sources)
  set(binding ${sources})
  list(FILTER binding INCLUDE REGEX "/native/binding/")
  foreach(directory ${CMAKE_JS_INC})
    set_property(SOURCE ${binding} ${CMAKE_JS_SRC} APPEND PROPERTY COMPILE_OPTIONS -isystem "${directory}")
  endforeach()
  # A worker that is being terminated takes no exception; without the last one that is a fatal error.
  target_compile_definitions(${target} PRIVATE NAPI_VERSION=9 NODE_ADDON_API_DISABLE_DEPRECATED
                                               NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS)
endfunction()

# Templates of the standard library are visible whatever the flags say, hence the list of exports.
# nodelete: threads of the addon may outlive the worker that loaded it, so its code must stay mapped.
# On Windows node.lib, the list of Node's exports, is made of the file that cmake-js names.
function(tilegrad_link_options target)
  if(MSVC AND CMAKE_JS_NODELIB_DEF AND CMAKE_JS_NODELIB_TARGET)
    execute_process(COMMAND ${CMAKE_AR} /def:${CMAKE_JS_NODELIB_DEF} /out:${CMAKE_JS_NODELIB_TARGET} /machine:x64
                    COMMAND_ERROR_IS_FATAL ANY)
  endif()
  if(UNIX AND NOT APPLE)
    target_link_options(${target} PRIVATE "LINKER:--exclude-libs,ALL" "LINKER:--gc-sections" "LINKER:-z,noexecstack"
                                          "LINKER:-z,nodelete"
                                          "LINKER:--version-script=${PROJECT_SOURCE_DIR}/cmake/exports.map")
    set_property(TARGET ${target} APPEND PROPERTY LINK_DEPENDS "${PROJECT_SOURCE_DIR}/cmake/exports.map")
  endif()
endfunction()
