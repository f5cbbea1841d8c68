# SPDX-License-Identifier: MIT
# What `make install` puts where: program, libraries, header, pkg-config file, CMake package, man page, completions,
# licence. The package can be moved: no absolute path is written into its files.
include(CMakePackageConfigHelpers)

install(FILES ${PROJECT_SOURCE_DIR}/include/treadle.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

set(installed_targets treadle_static treadle_shared)
set_target_properties(treadle_static PROPERTIES EXPORT_NAME static)
set_target_properties(treadle_shared PROPERTIES EXPORT_NAME treadle)
if(TARGET treadle)
  install(TARGETS treadle RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  install(FILES ${PROJECT_SOURCE_DIR}/docs/treadle.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
  install(FILES ${PROJECT_SOURCE_DIR}/tools/completion/treadle.bash
          DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME treadle)
  install(FILES ${PROJECT_SOURCE_DIR}/tools/completion/treadle.zsh
          DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions RENAME _treadle)
  install(FILES ${PROJECT_SOURCE_DIR}/tools/completion/treadle.fish
          DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
endif()

# CMake: find_package(treadle), then treadle::treadle (shared) or treadle::static.
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/treadle)
install(TARGETS ${installed_targets} EXPORT treadle-targets
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT treadle-targets NAMESPACE treadle:: DESTINATION ${package_dir})
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/treadle-config.cmake.in
                              ${PROJECT_BINARY_DIR}/package/treadle-config.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/package/treadle-config-version.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/package/treadle-config.cmake
              ${PROJECT_BINARY_DIR}/package/treadle-config-version.cmake DESTINATION ${package_dir})

# pkg-config: paths relative to where the .pc file lies. What the static library needs is named by its libraries, not by
# Requires.private: their flags for compiling (libutf8proc's -DUTF8PROC_EXPORTS) would come to whoever uses treadle.
list(JOIN PCRE2_LDFLAGS " " pcre2_libraries)
list(JOIN UTF8PROC_LDFLAGS " " utf8proc_libraries)
list(JOIN JANSSON_LDFLAGS " " jansson_libraries)
set(TDL_PC_LIBRARIES "${pcre2_libraries} ${utf8proc_libraries} ${jansson_libraries}")
file(RELATIVE_PATH pc_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(${PROJECT_SOURCE_DIR}/cmake/treadle.pc.in ${PROJECT_BINARY_DIR}/package/treadle.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/package/treadle.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
