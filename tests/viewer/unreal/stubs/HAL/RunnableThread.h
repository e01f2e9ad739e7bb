#pragma once

#include "CoreMinimal.h"

class FRunnable;

enum EThreadPriority { TPri_Normal, TPri_AboveNormal };

class FRunnableThread
{
public:
	virtual ~FRunnableThread() = default;
	static FRunnableThread* Create(FRunnable* Runnable, const TCHAR* ThreadName, uint32 StackSize = 0, EThreadPriority Priority = TPri_Normal);
	virtual void WaitForCompletion() = 0;
};
